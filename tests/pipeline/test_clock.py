"""A robot's clock as its streams have it: the host's, or what the streams have come to."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import FAR_NS, LEAD_NS, LIVE, StreamClock, Timing
from pipeline.messages import Grant, decode_downward, encode

S = 1_000_000_000
T_NS = 1_700_000_000 * S
OFFSET_NS = 1_800_000_000 * S
OF_STREAMS = Timing("streams", 1.0, T_NS, 50 * S)


def test_a_live_clock_is_the_hosts():
    """Breaks if anything of recordings reaches a live robot's stamps."""
    clock = StreamClock(OFFSET_NS)
    clock.come_to(T_NS)
    clock.hear(T_NS)
    assert clock.now_ns(7) == OFFSET_NS + 7
    assert clock.stamp_ns(7, captured_ns=T_NS) == OFFSET_NS + 7
    assert clock.driver_ns(7, recorded=True) == OFFSET_NS + 7
    assert not clock.is_ahead()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**6)), max_size=50))
def test_the_streams_time_never_goes_back_and_waits_for_the_lead(moves):
    """Breaks if a stream's stamps go back, or it runs on without the robot, or waits for itself."""
    clock = StreamClock(OFFSET_NS, OF_STREAMS)
    own_ns = robot_ns = first_ns = 0
    before_ns = clock.now_ns(0)
    for own, ms in moves:
        step_ns = ms * 1_000_000
        if own:
            own_ns = (own_ns or T_NS) + step_ns
            first_ns = first_ns or own_ns
            clock.come_to(own_ns)
        else:
            robot_ns = (robot_ns or T_NS) + step_ns
            clock.hear(robot_ns)
        assert clock.now_ns(10**9) >= before_ns
        before_ns = clock.now_ns(10**9)
        assert clock.is_ahead() == (own_ns > max(first_ns, robot_ns) + LEAD_NS and own_ns > 0)
        assert clock.stamp_ns(5, captured_ns=own_ns) == own_ns


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_recorded_samples_are_due_at_their_pace(speed):
    """Breaks if a recording runs at another speed than was asked for, or its streams apart."""
    timing = msgspec.structs.replace(OF_STREAMS, speed=speed)
    clocks = [StreamClock(offset_ns, timing) for offset_ns in (0, OFFSET_NS)]
    for clock in clocks:
        assert clock.driver_ns(50 * S, recorded=True) == T_NS
        assert clock.driver_ns(60 * S, recorded=True) == T_NS + 10 * speed * S


def test_at_max_all_is_due_and_a_live_sensor_keeps_the_hosts_time():
    """Breaks if a recording waits where nobody does, or a camera beside it is told nonsense."""
    clock = StreamClock(OFFSET_NS, Timing("streams", 0.0))
    assert clock.driver_ns(5, recorded=True) == FAR_NS
    assert clock.driver_ns(5, recorded=False) == OFFSET_NS + 5


def test_the_first_recording_fixes_the_anchor_for_all():
    """Breaks if a stream that starts later plays its part later."""
    timing = Timing("streams").anchored(0, 5).anchored(T_NS, 7).anchored(T_NS + S, 9)
    assert (timing.recorded_ns, timing.monotonic_ns) == (T_NS, 7)
    assert decode_downward(encode(Grant(1, 2, "life", timing))).timing == timing
    assert Grant(1, 2).timing == LIVE
