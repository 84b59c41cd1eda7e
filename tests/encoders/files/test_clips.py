"""A file's clips are those of the reference's pinned sampler."""

from __future__ import annotations

import json

import pytest

from encoders.files.clips import clip_frames, clip_samples, clip_times
from tests.encoders.conftest import GOLDEN

KNOWN = json.loads((GOLDEN / "clip_times.json").read_text())


@pytest.mark.parametrize("duration", KNOWN["clip_times"])
@pytest.mark.parametrize(("kind", "count"), [("audio_3clips", 3), ("video_5clips", 5)])
def test_times_are_the_references(duration, kind, count):
    """Breaks if clips spread as in the newer, unpinned sampler."""
    times = [pytest.approx(list(map(float, t))) for t in clip_times(float(duration), count)]
    assert KNOWN["clip_times"][duration][kind] == times


@pytest.mark.parametrize("key", KNOWN["video_first_last_frame"])
def test_frames_are_the_references(key):
    """Breaks if a rounding moves a frame."""
    fps, _, duration = key.removesuffix("s").partition("fps_")
    frames = round(float(fps) * float(duration))
    pairs = [list(pair) for pair in clip_frames(frames, float(fps), 5)]
    assert pairs == KNOWN["video_first_last_frame"][key]


def test_samples_of_the_references_own_sounds():
    """Breaks if a clip starts one sample off."""
    wanted = [(0, 32000), (4882, 36882), (9764, 41764)]
    assert [(s.start, s.stop) for s in clip_samples(41764, 16000, 3)] == wanted


def test_a_short_video_gives_frames_it_has():
    """Breaks if a clip of a short file points behind its end."""
    assert clip_frames(1, 30.0, 5) == [(0, 0)] * 5
    assert all(0 <= a <= b < 20 for a, b in clip_frames(20, 30.0, 5))
