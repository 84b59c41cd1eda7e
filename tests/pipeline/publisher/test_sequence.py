"""Outcomes leave in the order in which their windows were opened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.publisher.account import PUBLISHED
from pipeline.publisher.ledger import Ledger
from pipeline.publisher.sequence import InOrder
from tests.pipeline.messages import opened

EPOCH = 3


def order_of(*seqs: int) -> tuple[Ledger, InOrder[str]]:
    ledger = Ledger()
    for seq in seqs:
        ledger.open(opened(EPOCH, seq))
    return ledger, InOrder(ledger)


def left(ledger: Ledger, order: InOrder[str]) -> list[str]:
    gone = []
    for window, outcome in order.leave():
        ledger.close(window.epoch, window.seq, PUBLISHED)
        gone.append(outcome)
    return gone


@given(st.permutations(range(8)))
def test_any_order_of_outcomes_leaves_in_order(finished):
    """Breaks if a reader could see a seq fall, twice or not at all."""
    ledger, order = order_of(*range(8))
    gone = []
    for seq in finished:
        assert order.finish(EPOCH, seq, str(seq))
        assert not order.finish(EPOCH, seq, "again")
        gone += left(ledger, order)
    assert gone == [str(seq) for seq in range(8)]
    assert ledger.first() is None
    assert ledger.accounts()["refused"] == {"second_outcome": 8}


def test_an_outcome_waits_for_its_forerunner_alone():
    """Breaks if outcomes wait for windows behind them, or pass those before them."""
    ledger, order = order_of(3, 4, 9)
    order.finish(EPOCH, 4, "b")
    assert left(ledger, order) == []
    order.finish(EPOCH, 3, "a")
    assert left(ledger, order) == ["a", "b"]
    order.finish(EPOCH, 9, "c")
    assert left(ledger, order) == ["c"]


def test_a_forerunner_that_is_given_up_lets_the_others_go():
    """Breaks if ledger and order could differ about what is open: all would wait for ever."""
    ledger, order = order_of(0, 1)
    order.finish(EPOCH, 1, "b")
    assert left(ledger, order) == []
    ledger.close(EPOCH, 0, PUBLISHED)
    assert left(ledger, order) == ["b"]


def test_the_end_of_an_epoch_takes_all_in_order():
    """Breaks if embeddings that wait are lost when an epoch ends, or haunt the next one."""
    _, order = order_of(0, 1, 2, 3)
    order.finish(EPOCH, 3, "d")
    order.finish(EPOCH, 1, "b")
    gone = [(window.seq, outcome) for window, outcome in order.leave_all(EPOCH, "lost")]
    assert gone == [(0, "lost"), (1, "b"), (2, "lost"), (3, "d")]


def test_an_outcome_of_nothing_open_is_refused():
    """Breaks if a stray message is kept for ever, or leaves in another window's place."""
    ledger, order = order_of(0)
    assert not order.finish(EPOCH, 7, "x")
    assert not order.finish(EPOCH + 1, 0, "x")
    assert left(ledger, order) == []
    assert ledger.accounts()["refused"] == {"unknown_seq": 2}
