"""ROS's stamps in robot time: believed, fitted, or refused and counted."""

from __future__ import annotations

import random

import pytest

from sensors.ros2.ros_clock import RosClock

MS = 1_000_000
START_NS = 1_700_000_000 * 10**9


def run(clock, n, rate_hz, offset_ns=0, drift=0.0, begin=0, jitter_ms=20.0):
    """(true time, time given) of n messages; ROS's clock is ahead by ``offset_ns`` and drifts."""
    draw = random.Random(begin)
    given = []
    for i in range(begin, begin + n):
        true_ns = START_NS + round(i * 1e9 / rate_hz)
        arrival_ns = true_ns + round((2 + draw.random() * jitter_ms) * MS)
        stamp_ns = true_ns + offset_ns + round(drift * (true_ns - START_NS))
        given.append((true_ns, arrival_ns, clock.time_ns(stamp_ns, arrival_ns)))
    return given


def test_a_stamp_of_the_same_clock_is_taken_as_it_is():
    """Breaks if a delay that ROS states is thrown away and replaced by a guess."""
    clock = RosClock(30.0)
    assert all(given == true for true, _, given in run(clock, 300, 30.0))
    assert clock.agrees
    assert clock.odd == 0


@pytest.mark.parametrize("offset_s", [-86_400.0, -40.0, 3.0, 1e9, -START_NS / 1e9 + 5])
def test_another_clock_is_fitted_to_the_arrivals(offset_s):
    """Breaks if stamps of another machine's wall clock, or of a simulator that began at 0, end in
    windows of another day; or jitter as their arrivals do."""
    clock = RosClock(400.0)
    given = run(clock, 4000, 400.0, round(offset_s * 1e9), drift=5e-5)[800:]
    errors_ms = [(time - true) / MS for true, _, time in given]
    assert max(errors_ms) - min(errors_ms) < 3.0  # their arrivals jitter by 20
    assert all(0 <= error < 5.0 for error in errors_ms)
    assert clock.agrees is False
    assert clock.odd == 0


def test_no_time_is_after_its_arrival():
    """Breaks if a clock that is ahead by less than NTP's error makes a time of the future."""
    clock = RosClock(30.0)
    given = run(clock, 100, 30.0, offset_ns=15 * MS, jitter_ms=1.0)
    assert clock.agrees
    assert all(time <= arrival for _, arrival, time in given)


def test_a_stamp_that_was_never_set_gets_the_time_of_its_arrival():
    """Breaks if a driver that leaves header.stamp at 0 gives samples of 1970."""
    clock = RosClock(30.0)
    assert clock.time_ns(0, START_NS) == START_NS
    assert clock.unset == 1


def test_one_wrong_stamp_is_counted_and_moves_nothing():
    """Breaks if one stamp of the future, or of 1970, makes another clock of it."""
    clock = RosClock(30.0)
    run(clock, 30, 30.0)
    assert clock.time_ns(START_NS + 10**18, START_NS + 10**9) == START_NS + 10**9
    assert clock.time_ns(5, START_NS + 10**9) == START_NS + 10**9
    assert clock.odd == 2
    assert all(given == true for true, _, given in run(clock, 30, 30.0, begin=31))


def test_a_busy_machine_is_no_other_clock():
    """Breaks if a backlog of some seconds, as while a robot starts, throws true stamps away."""
    clock = RosClock(400.0)
    run(clock, 400, 400.0)
    for i in range(400, 2000):
        stamp_ns = START_NS + round(i * 1e9 / 400)
        arrival_ns = max(stamp_ns + 2 * MS, START_NS + 4 * 10**9)
        assert clock.time_ns(stamp_ns, arrival_ns) == stamp_ns
    assert clock.odd == 0


def test_a_clock_that_was_set_is_followed():
    """Breaks if, after NTP set the robot's clock, every later stamp is refused for ever."""
    clock = RosClock(100.0)
    run(clock, 300, 100.0)
    after = run(clock, 1000, 100.0, offset_ns=-3600 * 10**9, begin=300)
    assert 90 < clock.odd < 120  # a second of them
    assert all(abs(time - true) < 30 * MS for true, _, time in after)


def test_arrival_alone_where_it_is_asked_for():
    """Breaks if `clock: arrival` still looks at stamps."""
    clock = RosClock(30.0, "arrival")
    assert all(time == arrival for _, arrival, time in run(clock, 50, 30.0, offset_ns=10**12))
    assert clock.odd == 0


def test_fitted_where_it_is_asked_for():
    """Breaks if `clock: fitted` believes stamps that look right, as those of an unkept clock do."""
    clock = RosClock(30.0, "fitted")
    given = run(clock, 300, 30.0, offset_ns=-500 * MS)[100:]
    assert all(0 <= time - true < 30 * MS for true, _, time in given)
