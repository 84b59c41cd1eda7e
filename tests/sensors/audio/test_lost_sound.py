"""Buffers that never came: the count knows no loss, arrival tells it, n_missing states it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bindstream.formats import Sound
from bindstream.types import Modality, Stamped, Window
from pipeline.windows.windower import make_windower
from sensors.audio.buffers import Recording

S = 1_000_000_000
START = 5000 * S
RATE_HZ, BUFFER = 48_000, 960
BUFFERS = 12 * 50


def heard(lost: range, delay_ms, seed: int = 1):
    """(samples, recording) of twelve seconds of noise but for the ``lost`` buffers; the delay of
    each is drawn by ``delay_ms(index, random)``. Buffers overtake each other no more than a
    device's do."""
    now = [START]
    recording = Recording("mic", RATE_HZ, 1, None, lambda: now[0])
    draw, samples = random.Random(seed), []
    sound = np.random.default_rng(seed).uniform(-0.5, 0.5, BUFFER).astype(np.float32)
    for index in range(BUFFERS):
        due_ns = START + (index + 1) * BUFFER * S // RATE_HZ
        now[0] = max(now[0], due_ns + round(delay_ms(index, draw) * 1e6))
        if index not in lost:
            recording.put(sound.tobytes())
            samples += recording.take(0)
    return samples, recording


def windows(samples) -> list[Window]:
    of = Stamped(
        robot="r", stream="mic", modality=Modality.AUDIO, epoch=1, seq=0, start_ns=0, end_ns=0
    )
    form = Sound(length_s=2.0, rate_hz=16_000)
    windower = make_windower(of, form, hop_s=1.0, rate_hz=16_000)
    return [w for sample in samples for w in windower.push(sample) if isinstance(w, Window)]


def usual(_: int, draw: random.Random) -> float:
    """What PulseAudio was seen to do: now and then a buffer is late."""
    return draw.uniform(0.0, 0.3) if draw.random() < 0.9 else draw.uniform(0.0, 60.0)


@pytest.mark.parametrize("buffers", [1, 2, 3, 4])
def test_lost_buffers_are_counted_and_stated(buffers):
    """Breaks if 20 to 80 ms of lost sound are smeared over the ten seconds that follow."""
    samples, recording = heard(range(300, 300 + buffers), usual)
    assert recording.clock.jumps == 1
    lost = recording.clock.lost / RATE_HZ
    assert lost == pytest.approx(buffers * 0.02, abs=0.002)
    found = windows(samples)
    missing_s = {w.end_ns: w.n_missing / 16_000 for w in found if w.n_missing}
    assert len(missing_s) == 2  # windows overlap by half
    for end_ns, seconds in missing_s.items():
        assert seconds == pytest.approx(buffers * 0.02, abs=0.004)
        assert 6 * S <= end_ns - START <= 10 * S
    errors_ms = errors(samples, buffers)
    assert min(errors_ms.values()) == pytest.approx(-20 * buffers, abs=2)  # until it is noticed,
    assert all(abs(e) < 2 for at_s, e in errors_ms.items() if 1 < at_s < 6 or at_s > 8)


def errors(samples, buffers: int) -> dict[float, float]:
    """By the time, in s, at which a chunk was truly taken: how late it is stamped, ms."""
    n, found = 0, {}
    for sample in samples:
        shift_s = 0.02 * buffers if n >= 6 * 16_000 else 0.0
        true_s = n / 16_000 + shift_s
        found[true_s] = (sample.t_ns - START) / 1e6 - true_s * 1e3
        n += len(sample.data)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_busy_machine_loses_nothing(seed):
    """Breaks if late buffers, stalls and their backlogs are taken for lost sound."""

    def busy(index: int, draw: random.Random) -> float:
        stalled = draw.random() < 0.02
        return draw.uniform(50.0, 340.0) if stalled else usual(index, draw)

    samples, recording = heard(range(0), busy, seed)
    assert recording.clock.jumps == 0
    assert all(w.n_missing == 0 for w in windows(samples))


def test_a_sound_server_whose_delay_grows_a_little_is_followed():
    """Breaks if ten milliseconds more delay, for good, are stated as lost sound."""
    samples, recording = heard(range(0), lambda i, d: usual(i, d) + (10.0 if i > 300 else 0.0))
    assert recording.clock.jumps == 0
    assert all(w.n_missing == 0 for w in windows(samples))
