"""The soak: that its verdict is right on processes made up, and (long) that the demo passes it.

BINDSTREAM_SOAK_MINUTES sets how long the robot runs; an hour holds it to 1 MB/h.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak import EVERY_S, Track, judge

MINUTES = float(os.environ.get("BINDSTREAM_SOAK_MINUTES", "20"))
HOUR_S = 3600.0


def heap(mb_per_hour: float, *, until_s: float = HOUR_S, name: str = "robot:ears") -> Track:
    """A process of 90 MB that fills its caches for ten minutes, breathes by 0.3 MB and grows."""
    draw = np.random.default_rng(7)
    at_s = np.arange(0.0, until_s, EVERY_S)
    warm = 8.0 * np.minimum(at_s / 600, 1.0)
    breath = 0.3 * np.repeat(draw.random(len(at_s) // 12 + 1), 12)[: len(at_s)]
    mb = 90.0 + warm + breath + mb_per_hour * at_s / 3600
    return Track(name, at_s.tolist(), mb.tolist())


@pytest.mark.parametrize(("mb_per_hour", "fault"), [(0.0, ""), (0.4, ""), (1.6, "grows")])
def test_an_hour_tells_growth_from_breath(mb_per_hour: float, fault: str) -> None:
    """Breaks if the warm-up counts as growth, or if growth is lost in a heap's give and take."""
    (verdict,) = judge({1: heap(mb_per_hour)}, HOUR_S)
    assert verdict.fault == fault
    assert verdict.low <= mb_per_hour <= verdict.high


def test_the_growth_of_the_first_version_is_caught_in_minutes() -> None:
    """Breaks if a short soak would pass streams that grow by 40 MB/h."""
    (verdict,) = judge({1: heap(40.0, until_s=1200)}, 1200)
    assert verdict.fault == "grows"


def test_a_process_that_ends_is_a_fault() -> None:
    """Breaks if a replica that was killed and replaced passes for one that did not grow."""
    tracks = {1: heap(0.0), 2: heap(0.0, until_s=2000, name="robot:front")}
    assert {v.process: v.fault for v in judge(tracks, HOUR_S)} == {
        "robot:ears": "",
        "robot:front": "ended",
    }


def test_workers_without_work_may_come_and_go() -> None:
    """Breaks if Ray's idle workers, ended as it likes, fail a soak."""
    tracks = {1: heap(0.0), 2: heap(0.0, until_s=2000, name="ray::IDLE")}
    assert [v.process for v in judge(tracks, HOUR_S)] == ["robot:ears"]


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.timeout(MINUTES * 60 + 400)
def test_no_process_of_the_demo_grows() -> None:
    """Breaks if a process of the running robot grows by more than the soak's bound."""
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", str(MINUTES)]
    soak = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert soak.returncode == 0, soak.stdout + soak.stderr
