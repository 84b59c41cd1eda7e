"""Formats: what they hold, and what a stranger's may be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from bindstream.errors import InvalidInput
from bindstream.formats import Frames, Map, Motion, Sound, WindowFormat, from_plain, to_plain
from bindstream.types import Modality

ALL: dict[Modality, WindowFormat] = {
    Modality.VISION: Frames(frames=3, length_s=1.5, size_px=96, rule="squash", filter="bicubic"),
    Modality.AUDIO: Sound(length_s=1.0, rate_hz=22_050),
    Modality.DEPTH: Map(size_px=64),
    Modality.THERMAL: Map(),
    Modality.IMU: Motion(length_s=2.0, steps=300),
}


def test_the_same_after_they_were_told():
    """Breaks if a stream cuts something else than its encoder declared."""
    assert from_plain(to_plain(ALL)) == ALL
    assert from_plain({**to_plain(ALL), "smell": {"type": "odour"}, "text": {}}) == ALL


def test_bytes_of_a_window():
    """Breaks if `plan` tells another load than comes."""
    assert {m: form.window_bytes for m, form in ALL.items()} == {
        Modality.VISION: 3 * 96 * 96 * 3,
        Modality.AUDIO: 22_050 * 4,
        Modality.DEPTH: 64 * 64 * 4,
        Modality.THERMAL: None,
        Modality.IMU: 6 * 300 * 4,
    }


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"vision": {"type": "sound", "length_s": 2, "rate_hz": 8000}}, "vision: its windows are"),
        ({"vision": {"type": "frames", "frames": 0}}, "vision: frames: wanted 1 to 1000, got 0"),
        ({"vision": {"type": "frames", "frames": 2}}, "vision: length_s: wanted a number, got N"),
        ({"vision": {"type": "frames", "rule": "stretch"}}, "vision: .*stretch"),
        ({"audio": {"type": "sound", "length_s": -1, "rate_hz": 8000}}, "audio: length_s"),
        ({"audio": {"type": "sound", "length_s": 1e9, "rate_hz": 8000}}, "audio: length_s"),
        ({"audio": {"type": "sound"}}, "audio: .*length_s"),
        ({"imu": {"type": "motion", "length_s": float("nan")}}, "imu: length_s"),
        ({"depth": {"type": "map", "filter": "bicubic"}}, "depth: .*bicubic"),
        ({"depth": [None, 1]}, "depth: "),
        (None, "wanted them by modality, got NoneType"),
    ],
)
def test_what_is_no_format_is_refused_in_words(told: Any, said: str):
    """Breaks if an encoder's mistake ends a stream's thread, or is cut into something."""
    with pytest.raises(InvalidInput, match=said):
        from_plain(told)


def test_needs_no_torch():
    """Breaks if a driver's process or `check` would load a model's library."""
    code = "import sys, bindstream.formats; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
