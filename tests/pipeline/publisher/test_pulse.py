"""Whether a stream lives, and what came of its windows, without a publisher around them."""

from __future__ import annotations

from bindstream.types import Reason
from pipeline.publisher.flow import RECENT, Flow
from pipeline.publisher.pulse import SILENT_NS, START_NS, Pulse
from tests.pipeline.messages import encoded, opened

S = 1_000_000_000
T_NS = 1_800_000_000 * S


def test_one_that_was_met_is_missed_sooner_than_one_that_never_came():
    """Breaks if a stream that died is waited for as long as one that may still load."""
    never, met = Pulse(T_NS), Pulse(T_NS)
    met.begin(1)
    assert met.stops(T_NS + SILENT_NS + 1)
    assert not never.stops(T_NS + SILENT_NS + 1)
    assert never.stops(T_NS + START_NS + 1)
    assert never.silence(T_NS + 12 * S).startswith("has not started: nothing heard from it for 12")


def test_a_failure_is_told_once_and_so_is_its_end():
    """Breaks if readers hear "failed" four times a second, or "back" of what never failed."""
    pulse = Pulse(T_NS)
    pulse.begin(1)
    assert pulse.beat(T_NS + S) is None
    assert pulse.stops(T_NS + 4 * S)
    assert not pulse.stops(T_NS + 5 * S)
    assert pulse.beat(T_NS + 6 * S) == 5.0
    assert pulse.beat(T_NS + 9 * S) is None


def test_a_clock_taken_over_changes_no_drought():
    """Breaks if a stream that flows is told as dry for the size of a step of the clock."""
    flow = Flow()
    flow.vector(encoded(opened(1, 0)), T_NS)
    flow.shift(3600 * S)
    now_ns = T_NS + 3601 * S
    assert flow.drought(now_ns, T_NS, S // 2, is_open=False) == ("", 0)
    assert flow.drought(now_ns + 9 * S, T_NS, S // 2, is_open=True) == (
        "no vector for 10.0 s: no window had its outcome",
        T_NS + 3600 * S,
    )


def test_a_slow_stream_is_given_its_hops():
    """Breaks if a stream of one window in ten seconds is told as dry between any two."""
    flow = Flow()
    flow.vector(encoded(opened(1, 0)), T_NS)
    for _ in range(RECENT + 2):
        flow.drop(Reason.LATE)
    assert flow.drought(T_NS + 29 * S, T_NS, 10 * S, is_open=False) == ("", 0)
    why, _ = flow.drought(T_NS + 31 * S, T_NS, 10 * S, is_open=False)
    assert why == f"no vector for 31.0 s: {RECENT} of the last {RECENT} windows late"
