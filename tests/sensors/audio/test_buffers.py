"""Buffers of any rate and channels become 16 kHz mono whose times are those of the sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.audio.buffers import Recording, mixed

S = 1_000_000_000
START = 5000 * S


class Hand:
    """A clock that is moved by hand."""

    def __init__(self):
        self.ns = START

    def __call__(self):
        return self.ns


def record(sound, rate_hz, channels=1, channel=None, cuts=None):
    """All chunks of a sound (n, channels) that is put in, on time, buffer by buffer."""
    hand = Hand()
    recording = Recording("mic", rate_hz, channels, channel, hand)
    samples, at = [], 0
    cuts = cuts or [round(rate_hz * 0.02)]
    while at < len(sound):
        piece = sound[at : at + cuts[at % len(cuts)]]
        at += len(piece)
        hand.ns = START + round(at / rate_hz * S)
        recording.put(piece.astype(np.float32).tobytes())
        samples += recording.take(0)
    return samples, recording


def chirp(t):
    """A sound that is like itself at no other time."""
    return 0.5 * np.sin(2 * np.pi * (200 * t + 400 * t**2))


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([8000, 16000, 32000, 44100, 48000, 96000]),
    st.lists(st.integers(1, 3000), min_size=1, max_size=7),
)
def test_every_sample_lies_at_its_own_time(rate_hz, cuts):
    """Breaks if the resampler's delay, or the cut of the buffers, moves the sound in time."""
    t = np.arange(rate_hz) / rate_hz
    samples, _ = record(chirp(t)[:, None], rate_hz, cuts=cuts)
    data = np.concatenate([s.data for s in samples])
    assert data.dtype == np.float32
    wanted = chirp(np.arange(len(data)) / 16000)
    assert np.abs(data - wanted)[400:-400].max() < 0.01
    for sample in samples[len(samples) // 2 :]:
        index = round((sample.t_ns - START) / S * 16000)
        true = chirp((index + np.arange(len(sample.data))) / 16000)
        assert len(sample.data) < 64 or np.abs(np.corrcoef(true, sample.data)[0, 1]) > 0.8


def test_chunks_follow_each_other_without_a_step():
    """Breaks if windows would see gaps or overlaps inside a sound that has none."""
    samples, _ = record(np.zeros((48000 * 3, 1)), 48000)
    ends = [s.t_ns + len(s.data) / 16000 * S for s in samples]
    steps_us = (np.array([s.t_ns for s in samples[1:]]) - ends[:-1]) / 1e3
    assert np.abs(steps_us).max() < 20


def test_channels_are_averaged_or_chosen():
    """Breaks if a stereo device plays at double speed, or the wrong microphone is heard."""
    both = np.stack([np.full(960, 0.2), np.full(960, 0.6)], axis=1).astype(np.float32)
    assert np.allclose(mixed(both.ravel(), 2, None), 0.4)
    assert np.allclose(mixed(both.ravel(), 2, 1), 0.6)
    assert np.allclose(mixed(both[:, 0].copy(), 1, None), 0.2)


def test_the_result_stays_within_one():
    """Breaks if the resampler's overshoot leaves [-1, 1]."""
    square = np.sign(np.sin(np.arange(48000) / 20))[:, None]
    samples, _ = record(square, 48000)
    assert max(np.abs(s.data).max() for s in samples) == pytest.approx(1.0, abs=1e-6)


def test_silence_and_overrun_are_counted():
    """Breaks if digital silence or a reader that is away stays unseen."""
    _, recording = record(np.zeros((48000, 1)), 48000)
    assert recording.zero_frames == 48000
    hand = Hand()
    recording = Recording("mic", 48000, 1, None, hand)
    for _ in range(510):
        recording.put(bytes(960 * 4))
    assert recording.overrun == 10
    hand.ns += 2 * S
    assert recording.silent_s == pytest.approx(2.0)
