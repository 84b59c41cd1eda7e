"""When scenes are due, by any clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.publisher.ticks import Ticks

MS = 1_000_000
T_NS = 1_800_000_000_000_000_000


@given(st.lists(st.integers(1, 900), max_size=40), st.integers(1, 1000), st.integers(0, 300))
def test_ticks_lie_on_the_grid_rise_and_are_never_early(steps_ms, hop_ms, delay_ms):
    """Breaks if a scene is made before its vectors can be there, twice, or off the Unix grid."""
    now_ns = T_NS
    ticks = Ticks(hop_ms * MS, delay_ms * MS, now_ns)
    made = [now_ns]
    for step_ms in steps_ms:
        now_ns += step_ms * MS
        if (tick_ns := ticks.due(now_ns)) is None:
            assert ticks.wait_ns(now_ns) > 0
            continue
        assert tick_ns % (hop_ms * MS) == 0
        assert made[-1] < tick_ns <= now_ns - delay_ms * MS
        made.append(tick_ns)
        ticks.done(now_ns)


def test_after_a_sleep_the_newest_alone_is_made_up_for():
    """Breaks if a publisher that was stopped for an hour makes all its scenes at once."""
    ticks = Ticks(500 * MS, 0, T_NS)
    late_ns = T_NS + 3_600_000 * MS + 7 * MS
    assert ticks.due(late_ns) == T_NS + 500 * MS
    ticks.done(late_ns)
    assert ticks.due(late_ns) == T_NS + 3_600_000 * MS
    ticks.done(late_ns)
    assert ticks.due(late_ns) is None


def test_they_follow_a_clock_that_was_taken_over():
    """Breaks if, once the clock was set back by an hour, no scene comes for an hour."""
    ticks = Ticks(500 * MS, 100 * MS, T_NS)
    back_ns = T_NS - 3_600_000 * MS
    ticks.start(back_ns)
    assert ticks.due(back_ns + 599 * MS) is None
    assert ticks.due(back_ns + 600 * MS) == back_ns + 500 * MS
