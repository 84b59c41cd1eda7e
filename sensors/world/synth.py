"""The world's sounds: seamless loops of about four seconds, made once per object and skin."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from bindstream.types import Array
from sensors.world.drawings import kept
from sensors.world.state import rng

AUDIO_HZ = 16000
LOOP = 1 << 16
"""Samples of a loop (4.096 s)."""

Draw = np.random.Generator
_TIME_S = np.arange(LOOP) / AUDIO_HZ
_LOOP_S = LOOP / AUDIO_HZ
_HERTZ = np.fft.rfftfreq(LOOP, 1 / AUDIO_HZ)


def band_noise(draw: Draw, low_hz: float, high_hz: float, tilt: float = 0.0) -> Array:
    """Looping noise of unit deviation between two frequencies; ``tilt`` 1 is pink."""
    spectrum = np.fft.rfft(draw.standard_normal(LOOP))
    shape = ((low_hz < _HERTZ) & (high_hz > _HERTZ)) / np.maximum(_HERTZ, 1.0) ** (tilt / 2)
    return _unit(np.fft.irfft(spectrum * shape, LOOP))


def _unit(wave: Array) -> Array:
    return np.asarray(wave / max(1e-9, float(wave.std())))


def _loop(wave: Array) -> Array:
    """Unit deviation and no peak above 6: clicks do not clip when mixed."""
    return np.asarray(6.0 * np.tanh(_unit(wave) / 6.0), np.float32)


def _tone(hertz: float, wobble: Array | float = 0.0) -> Array:
    """A sine whose frequency is rounded so that the loop has no seam."""
    cycles = round(hertz * _LOOP_S)
    return np.asarray(np.sin(2 * np.pi * cycles * np.arange(LOOP) / LOOP + wobble))


def _harmonics(hertz: float, weights: Array, wobble: Array | float = 0.0) -> Array:
    first = round(hertz * _LOOP_S) / _LOOP_S
    return np.asarray(
        sum(w * _tone(first * (n + 1), wobble * (n + 1)) for n, w in enumerate(weights))
    )


def _beats(draw: Draw, per_s: float, jitter: float = 0.15) -> Array:
    """Starts of events, in samples, about ``per_s`` a second around the loop."""
    count = max(1, round(per_s * _LOOP_S))
    places = np.arange(count) + draw.uniform(-jitter, jitter, count)
    return (places * LOOP / count).astype(int) % LOOP


def _scatter(starts: Array, events: list[Array]) -> Array:
    """The events added at their starts, wrapping around."""
    wave = np.zeros(LOOP)
    for start, event in zip(starts, events, strict=True):
        places = (start + np.arange(event.size)) % LOOP
        wave[places] += event
    return _unit(wave)


def _span(seconds: float) -> Array:
    return np.arange(int(seconds * AUDIO_HZ)) / AUDIO_HZ


def _hump(t: Array) -> Array:
    return np.asarray(np.abs(np.sin(np.pi * t / t[-1])) ** 0.6)


def _glide(t: Array, from_hz: float, to_hz: float) -> Array:
    """Phase of a tone that glides from one frequency to another."""
    rate = (to_hz - from_hz) / t[-1]
    return np.asarray(2 * np.pi * (from_hz * t + rate * t * t / 2))


def _dog(draw: Draw) -> Array:
    pitch = draw.uniform(380, 520)
    t = _span(0.2)
    starts = _beats(draw, 2.2)
    barks = []
    for _ in starts:
        phase = _glide(t, pitch * draw.uniform(1.0, 1.15), 0.6 * pitch)
        voice = sum(np.sin(n * phase) / n**0.7 for n in range(1, 7))
        barks.append(_hump(t) * (voice + 0.5 * draw.standard_normal(t.size)))
    return _scatter(starts, barks)


def _bird(draw: Draw) -> Array:
    pitch = draw.uniform(3200, 4600)
    t = _span(0.09)
    starts = _beats(draw, 7.0, 0.3)
    chirps = [
        _hump(t) * np.sin(_glide(t, pitch * draw.uniform(0.8, 1.0), pitch * draw.uniform(1.2, 1.5)))
        for _ in starts
    ]
    return _scatter(starts, chirps)


def _person(draw: Draw) -> Array:
    pitch = draw.uniform(105, 210)
    starts = _beats(draw, 4.0)
    t = _span(0.2)
    syllables = []
    for _ in starts:
        formants = draw.uniform((350, 900, 2300), (800, 1900, 2900))
        phase = _glide(t, pitch, pitch * draw.uniform(0.85, 1.15))
        voice = np.zeros(t.size)
        for n in range(1, int(3400 / pitch)):
            near = np.exp(-(((n * pitch - formants) / 130) ** 2)).sum()
            voice += (0.05 + near) * np.sin(n * phase)
        syllables.append(_hump(t) * voice)
    return _scatter(starts, syllables)


def _car(draw: Draw) -> Array:
    rate = draw.uniform(32, 55)
    weights = 1 / np.arange(1, 14) ** 0.6
    weights[1::2] *= 1.8
    engine = _harmonics(rate, weights, 0.8 * _tone(draw.uniform(1, 3)))
    return _unit(_unit(engine) + 0.4 * band_noise(draw, 40, 500, 1.0))


def _drone(draw: Draw) -> Array:
    base = draw.uniform(170, 250)
    weights = 1 / np.arange(1, 16) ** 0.45
    rotors = [
        _harmonics(base * draw.uniform(0.96, 1.04), weights, 0.5 * _tone(draw.uniform(2, 6)))
        for _ in range(4)
    ]
    return _unit(np.sum(rotors, axis=0))


def _kettle(draw: Draw) -> Array:
    pitch = draw.uniform(1900, 2600)
    whistle = _tone(pitch, 3.0 * _tone(6)) + 0.4 * _tone(2 * pitch, 6.0 * _tone(6))
    return _unit(_unit(whistle) + 0.5 * band_noise(draw, 2500, 7000))


def _clock(draw: Draw) -> Array:
    t = _span(0.05)
    starts = _beats(draw, draw.choice([4.0, 5.0, 6.0]), 0.0)
    ring = draw.uniform(2200, 3200)
    ticks = [
        np.exp(-t / 0.006) * np.sin(2 * np.pi * ring * (1.0 if n % 2 else 0.72) * t)
        for n, _ in enumerate(starts)
    ]
    return _scatter(starts, ticks)


def _campfire(draw: Draw) -> Array:
    starts = draw.integers(0, LOOP, 150)
    events = []
    for _ in starts:
        t = _span(draw.uniform(0.004, 0.03))
        events.append(draw.exponential(1.0) * np.exp(-4 * t / t[-1]) * draw.standard_normal(t.size))
    return _unit(_scatter(starts, events) + 0.5 * band_noise(draw, 60, 400, 1.0))


def _telephone(draw: Draw) -> Array:
    pitch = draw.uniform(1150, 1400)
    bells = _tone(pitch) + _tone(1.26 * pitch) + 0.4 * _tone(2.7 * pitch)
    hammer = np.abs(_tone(10)) ** 0.5
    ringing = (_TIME_S + draw.uniform(0, 1)) % 1.024 < 0.62
    return _unit(bells * hammer * ringing)


def _fan(draw: Draw) -> Array:
    blades = draw.uniform(9, 14)
    wash = band_noise(draw, 180, 1000, 0.5) * (1 + 0.8 * _tone(blades))
    return _unit(_unit(wash) + 0.5 * _tone(draw.uniform(115, 125)))


def _bell(draw: Draw) -> Array:
    pitch = draw.uniform(420, 600)
    t = _span(1.4)
    starts = _beats(draw, 1.4, 0.05)
    partials = (
        (0.5, 0.6),
        (1.0, 1.0),
        (1.19, 0.8),
        (1.5, 0.5),
        (2.0, 0.7),
        (2.74, 0.4),
        (3.0, 0.3),
    )
    toll = sum(
        weight * np.exp(-t * ratio / 0.5) * np.sin(2 * np.pi * pitch * ratio * t)
        for ratio, weight in partials
    )
    return _scatter(starts, [np.asarray(toll)] * len(starts))


def _guitar(draw: Draw) -> Array:
    root = draw.uniform(105, 165)
    t = _span(0.9)
    starts = _beats(draw, 4.5, 0.05)
    plucks = []
    for _ in starts:
        pitch = root * draw.choice([1, 1.25, 1.5, 2, 2.5, 3])
        voice = sum(
            np.exp(-t * (2 + 0.9 * n)) * np.sin(2 * np.pi * n * pitch * t) / n**0.8
            for n in range(1, 11)
        )
        plucks.append(np.asarray(voice))
    return _scatter(starts, plucks)


def _train(draw: Draw) -> Array:
    t = _span(0.16)
    starts = _beats(draw, 4.4, 0.04)
    chuffs = [
        (1.4 if n % 4 == 0 else 0.9) * np.exp(-t / 0.06) * draw.standard_normal(t.size)
        for n, _ in enumerate(starts)
    ]
    chord = draw.uniform(300, 340) * np.array([1.0, 1.26, 1.5])
    whistle = sum(_harmonics(pitch, np.array([1, 0.5, 0.3])) for pitch in chord)
    swell = 0.35 + 0.35 * _tone(1 / _LOOP_S)
    return _unit(_scatter(starts, chuffs) + 0.8 * swell * _unit(np.asarray(whistle)))


def _washer(draw: Draw) -> Array:
    turn = draw.uniform(1.4, 2.2)
    drum = band_noise(draw, 50, 260) * (1 + 0.9 * _tone(turn))
    slosh = band_noise(draw, 500, 1400) * np.maximum(0, _tone(turn, 1.5)) ** 2
    motor = _harmonics(draw.uniform(290, 330), np.array([1, 0.2, 0.5]))
    return _unit(_unit(drum) + 0.7 * _unit(slosh) + 0.35 * _unit(motor))


def _frog(draw: Draw) -> Array:
    t = _span(0.32)
    starts = _beats(draw, 1.8)
    centre, pulses = draw.uniform(650, 950), draw.uniform(28, 42)
    croaks = []
    for _ in starts:
        train = np.maximum(0, np.sin(2 * np.pi * pulses * t)) ** 3
        voice = np.sin(2 * np.pi * centre * t) + 0.6 * np.sin(2 * np.pi * 1.9 * centre * t)
        croaks.append(_hump(t) * train * voice)
    return _scatter(starts, croaks)


def _fountain(draw: Draw) -> Array:
    starts = draw.integers(0, LOOP, 170)
    bubbles = []
    for _ in starts:
        t = _span(draw.uniform(0.03, 0.09))
        low = draw.uniform(400, 1300)
        bubbles.append(_hump(t) * np.sin(_glide(t, low, low * draw.uniform(1.4, 2.2))))
    return _unit(_scatter(starts, bubbles) + 0.35 * band_noise(draw, 700, 3000))


_VOICES: dict[str, Callable[[Draw], Array]] = {
    "dog": _dog,
    "bird": _bird,
    "person": _person,
    "car": _car,
    "drone": _drone,
    "kettle": _kettle,
    "clock": _clock,
    "campfire": _campfire,
    "telephone": _telephone,
    "fan": _fan,
    "bell": _bell,
    "guitar": _guitar,
    "train": _train,
    "washer": _washer,
    "frog": _frog,
    "fountain": _fountain,
}


def _rain(draw: Draw) -> Array:
    starts = draw.integers(0, LOOP, 500)
    t = _span(0.008)
    drops = [
        draw.exponential(1.0) * np.exp(-t / 0.0015) * draw.standard_normal(t.size) for _ in starts
    ]
    return _unit(0.6 * _scatter(starts, drops) + band_noise(draw, 300, 7500, 0.6))


def _alarm(draw: Draw) -> Array:
    low = draw.uniform(680, 760)
    half = (_TIME_S % 0.512) < 0.256
    tones = [_harmonics(pitch, np.array([1, 0, 0.33, 0, 0.2])) for pitch in (low, 1.33 * low)]
    return _unit(np.where(half, tones[0], tones[1]))


def _wheels(floor: str, draw: Draw) -> Array:
    if floor == "carpet":
        return band_noise(draw, 40, 220)
    if floor == "gravel":
        crunch = band_noise(draw, 900, 5500) * np.abs(band_noise(draw, 1, 30))
        return _unit(crunch + 0.4 * band_noise(draw, 60, 400))
    t = _span(0.03)
    starts = _beats(draw, 6.0, 0.1)
    knocks = [np.exp(-t / 0.007) * np.sin(2 * np.pi * 900 * t) for _ in starts]
    return _unit(_scatter(starts, knocks) + 0.3 * band_noise(draw, 200, 900))


_AMBIENCES: dict[str, Callable[[Draw], Array]] = {"rain": _rain, "alarm": _alarm}
SOUND_SKINS = 8


@kept(live=4)
def voice(name: str, skin: int) -> Array:
    """An object's loop: (65536,) float32 of unit deviation. Eight per bank of skins."""
    return _loop(_VOICES[name](rng("voice", name, skin)))


@kept(live=2)
def ambience(name: str, skin: int) -> Array:
    """The loop of rain or alarm: (65536,) float32 of unit deviation."""
    return _loop(_AMBIENCES[name](rng("ambience", name, skin)))


@kept(live=2)
def wheels(floor: str, skin: int) -> Array:
    """The loop of wheels on a floor: (65536,) float32 of unit deviation."""
    return _loop(_wheels(floor, rng("wheels", floor, skin)))


@lru_cache(maxsize=1)
def hiss() -> Array:
    """The microphone's own noise: (65536,) float32 of unit deviation."""
    return band_noise(rng("hiss"), 20, 8000).astype(np.float32)
