"""Robot time where its streams tell it: never back, never past one that is waited for."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.publisher.watermark import PATIENCE_NS, Standing, Watermark

S = 1_000_000_000
NAMES = ("a", "b", "c")


def move(mark: Watermark, host_ns: int, **done: Any) -> set[str]:
    rows = {n: d if isinstance(d, Standing) else Standing(d) for n, d in done.items()}
    return mark.move(rows, host_ns)


def test_time_begins_once_all_have_told_theirs():
    """Breaks if scenes begin before the streams that are expected."""
    mark = Watermark()
    move(mark, 0, a=5 * S, b=None)
    assert mark.now_ns is None
    move(mark, S, a=6 * S, b=3 * S)
    assert mark.now_ns == 3 * S


def test_whom_the_others_wait_for_is_told_and_given_up_after_patience():
    """Breaks if a stream that never comes holds the robot for ever, or is given up while nobody
    waits for it, while its encoder is asked, or without a word."""
    mark = Watermark()
    move(mark, 0, a=None, b=None)
    assert move(mark, 10 * PATIENCE_NS, a=None, b=None) == set()  # an encoder loads for all
    move(mark, 10 * PATIENCE_NS, a=S, b=None)
    assert mark.held_by == ["b"]
    late_ns = 11 * PATIENCE_NS
    assert move(mark, late_ns, a=S, b=Standing(None, busy=True)) == set()
    assert move(mark, late_ns + PATIENCE_NS, a=S, b=None) == set()
    assert mark.now_ns is None
    assert move(mark, late_ns + PATIENCE_NS + 1, a=2 * S, b=None) == {"b"}
    assert mark.now_ns == 2 * S
    assert move(mark, late_ns + PATIENCE_NS + 2, a=3 * S, b=None) == set()  # told once
    move(mark, late_ns + PATIENCE_NS + 3, a=9 * S, b=4 * S)  # it is back, and counts
    assert (mark.now_ns, mark.overdue) == (4 * S, set())


def test_the_end_of_one_lets_the_others_go_on_and_the_end_of_all_is_the_last():
    """Breaks if a camera that ended first stops the robot's time, or the last scenes are lost."""
    mark = Watermark()
    move(mark, 0, a=S, b=2 * S)
    move(mark, 0, b=7 * S)
    assert mark.now_ns == 7 * S
    mark.move({}, 0, 9 * S)
    assert mark.now_ns == 9 * S
    mark.move({}, 0, None)
    assert mark.now_ns == 9 * S


def test_one_that_never_comes_does_not_hold_back_the_end_of_the_others():
    """Breaks if the last scenes of a recording wait for ever for a stream that is not there."""
    mark = Watermark()
    mark.move({"b": Standing(None)}, 0, 5 * S)
    assert (mark.now_ns, mark.held_by) == (None, ["b"])
    assert mark.move({"b": Standing(None)}, PATIENCE_NS + 1, 5 * S) == {"b"}
    assert (mark.now_ns, mark.held_by) == (5 * S, [])


steps = st.tuples(st.sampled_from(NAMES), st.integers(-5, 60), st.integers(0, 40), st.booleans())


@given(st.lists(steps, max_size=60))
def test_it_never_goes_back_nor_passes_one_that_is_waited_for(history):
    """Breaks if a scene is fired whose members may still come, or twice."""
    mark, host_ns = Watermark(), 0
    done: dict[str, int | None] = dict.fromkeys(NAMES)
    busy = dict.fromkeys(NAMES, False)
    for name, step_s, wait_s, is_busy in history:
        host_ns += wait_s * S
        done[name] = max(0, (done[name] or 0) + step_s * S)
        busy[name] = is_busy
        before_ns = mark.now_ns
        mark.move({n: Standing(d, busy[n]) for n, d in done.items()}, host_ns)
        waited_for = [done[n] for n in NAMES if n not in mark.overdue]
        if mark.now_ns != before_ns:
            assert mark.now_ns is not None
            assert before_ns is None or mark.now_ns > before_ns
            assert all(d is not None and mark.now_ns <= d for d in waited_for)
        assert len(mark.overdue) < len(NAMES)
        assert not [n for n in mark.overdue if busy[n]]
