"""A driver whose stamps are of a clock that is not the robot's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bindstream.types import Embedding, Health, Sample
from pipeline.clock import Timing
from pipeline.publisher import host_clock
from tests.pipeline.robot import Probe, Robot


def shifted(off_s: float) -> Callable[[Sample], Sample]:
    """Both stamps so far off."""
    off_ns = int(off_s * 1e9)
    return lambda s: replace(s, t_ns=s.t_ns + off_ns, arrival_ns=s.arrival_ns + off_ns)


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("off_s", [3600.0, -10.0, -1.7e9])
def test_stamps_of_another_clock_are_refused_in_words(off_s):
    """Breaks if they pass, since they agree with each other: vectors of another hour would be
    published, or none, without a word; or if right ones that follow are not taken."""
    with Robot("depth") as robot:
        Probe.tell["depth"] = shifted(off_s)
        robot.start()
        until(lambda: any("another clock" in h.detail["why"] for h in robot.of(Health)))
        told = robot.events("samples_refused")[0]["why"]
        assert robot.of(Embedding) == []
        Probe.tell.clear()
        robot.wait(Embedding, 2, timeout_s=60)
    side = "after" if off_s > 0 else "before"
    assert f"s {side} the robot's time of the read that gave it" in told
    assert "now_ns() that open is given" in told
    for e in robot.of(Embedding):
        assert 0 <= e.published_ns - e.end_ns < 60e9


def test_where_streams_tell_the_time_no_clock_is_foreign():
    """Breaks if a driver of old stamps is refused on a robot whose time is its streams'."""
    with Robot("depth", timing=Timing("streams", speed=0.0)) as robot:
        Probe.tell["depth"] = shifted(-3600.0)
        robot.start()
        robot.wait(Embedding, 3, timeout_s=60)
        until(lambda: robot.of(Health, stream="depth"))
    assert robot.of(Health, stream="depth")[-1].detail["invalid"] == 0


def test_a_wall_clock_that_was_set_makes_no_clock_foreign(monkeypatch):
    """Breaks if a publisher that is started anew after the wall clock was set, and takes over the
    streams' clock, has their sensors refused."""
    with Robot("depth") as robot:
        robot.start()
        robot.wait(Embedding, 2, timeout_s=60)
        hour_ns = 3600 * 10**9
        clock = SimpleNamespace(
            monotonic_ns=time.monotonic_ns, time_ns=lambda: time.time_ns() + hour_ns
        )
        monkeypatch.setattr(host_clock, "time", clock)
        robot.restart_publisher()
        seen = len(robot.of(Embedding))
        robot.wait(Embedding, seen + 4, timeout_s=60)
        until(lambda: robot.of(Health, stream="depth"))
    assert robot.of(Health, stream="depth")[-1].detail["invalid"] == 0
    assert robot.events("samples_refused") == []
