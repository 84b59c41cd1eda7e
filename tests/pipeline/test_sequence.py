"""Outcomes leave in the order in which their windows were announced."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.sequence import InOrder


@given(st.permutations(range(8)))
def test_any_order_of_outcomes_leaves_in_order(finished):
    """Breaks if a reader could see a seq fall, twice or not at all."""
    order: InOrder[str] = InOrder()
    for seq in range(8):
        order.expect(seq, 0)
    left = [outcome for seq in finished for outcome in order.finish(seq, str(seq))]
    assert left == [str(seq) for seq in range(8)]
    assert order.clear() == []


def test_an_outcome_waits_for_its_forerunner_alone():
    """Breaks if outcomes wait for windows behind them, or pass those before them."""
    order: InOrder[str] = InOrder()
    for seq in (3, 4, 9):
        order.expect(seq, 0)
    assert order.finish(4, "b") == []
    assert order.finish(3, "a") == ["a", "b"]
    assert order.finish(9, "c") == ["c"]


def test_overdue_names_the_one_that_all_wait_for():
    """Breaks if one outcome lost on its way could hold up a stream for ever."""
    order: InOrder[str] = InOrder()
    assert order.overdue(10**20) is None
    order.expect(0, 100)
    order.expect(1, 50)
    assert order.overdue(100) is None
    assert order.overdue(101) == 0
    assert order.finish(1, "b") == []
    assert order.finish(0, "a") == ["a", "b"]
    assert order.overdue(10**20) is None


def test_clear_gives_back_what_was_held():
    """Breaks if embeddings that wait are lost when an epoch ends, or haunt the next one."""
    order: InOrder[str] = InOrder()
    for seq in range(4):
        order.expect(seq, 0)
    order.finish(3, "d")
    order.finish(1, "b")
    assert order.clear() == ["b", "d"]
    order.expect(0, 0)
    assert order.finish(0, "new") == ["new"]
