"""What the world's microphone hears: loops mixed by what is there, pure in the sample number."""

from __future__ import annotations

import numpy as np

from bindstream.types import Array
from sensors.world import synth
from sensors.world.state import BANKS, Thing, WorldState, rng

AUDIO_HZ = synth.AUDIO_HZ
LOUDNESS = {"near": 0.13, "mid": 0.085, "far": 0.06}
"""Effective amplitude of an object's voice by distance (full scale is 1)."""
AMBIENT_LOUDNESS = {"rain": 0.035, "alarm": 0.03}
WHEEL_LOUDNESS = 0.018
MOTOR_LOUDNESS = 0.01
HISS = 0.0015


def samples(state: WorldState, first: int, count: int) -> Array:
    """``(count,)`` float32 in [-1, 1] from sample ``first`` (world time x 16000)."""
    ticks = np.arange(first, first + count)
    mix = HISS * _hiss(ticks)
    for thing in state.things:
        mix += _voice(thing, ticks)
    if state.ambient != "quiet":
        loop = synth.ambience(state.ambient, _fold(state.wall_skin))
        mix += AMBIENT_LOUDNESS[state.ambient] * loop[(ticks + state.place) % synth.LOOP]
    if state.motion != "still":
        loop = synth.wheels(state.floor, _fold(state.floor_skin))
        mix += WHEEL_LOUDNESS * loop[(ticks + state.body) % synth.LOOP]
        mix += MOTOR_LOUDNESS * _motor(state, ticks)
    return np.clip(mix, -1.0, 1.0)


def _voice(thing: Thing, ticks: Array) -> Array:
    """An object's loop at its own pitch (up to 5 % off) and phase."""
    draw = rng("sound", thing.key)
    loop = synth.voice(thing.name, _fold(thing.skin))
    speed, phase = draw.uniform(0.95, 1.05), int(draw.integers(synth.LOOP))
    loudness = LOUDNESS[thing.distance] * draw.uniform(0.85, 1.18)
    return np.float32(loudness) * _at(loop, ticks, float(speed), phase)


def _at(loop: Array, ticks: Array, speed: float, phase: int) -> Array:
    """The loop read at a changed speed, linearly between its samples."""
    places = ticks * speed + phase
    whole = np.floor(places)
    part = (places - whole).astype(np.float32)
    first = whole.astype(np.int64) % synth.LOOP
    start = loop[first]
    return np.asarray(start + part * (loop[(first + 1) % synth.LOOP] - start))


def _motor(state: WorldState, ticks: Array) -> Array:
    hertz = {"forward": 150.0}.get(state.motion, 105.0)
    phase = 2 * np.pi * ((ticks % (AUDIO_HZ * 2)) * hertz / AUDIO_HZ)
    return np.asarray(np.sin(phase) + 0.5 * np.sin(2 * phase), np.float32)


def _hiss(ticks: Array) -> Array:
    """The microphone's own noise."""
    return np.asarray(synth.hiss()[ticks * 7 % synth.LOOP])


def _fold(skin: int) -> int:
    """Eight sound skins in each bank are enough: their loops are large."""
    first = 0 if skin < BANKS["test"][0] else BANKS["test"][0]
    return first + (skin - first) % synth.SOUND_SKINS
