"""The sum of the ledger, under everything that messages can do to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindstream.types import Reason
from pipeline.publisher.account import MAX_OPEN, PUBLISHED, Account, OpenWindow, sums
from pipeline.publisher.ledger import MAX_EPOCHS, Ledger
from tests.pipeline.messages import opened

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open"] * 4 + ["close"] * 4 + ["abandon", "epoch"]),
        st.integers(0, 12),
        st.integers(0, 3),
        st.sampled_from([PUBLISHED, Reason.LATE, Reason.SUPERSEDED, Reason.SENSOR_GAP]),
    ),
    max_size=200,
)


def abandon(ledger: Ledger, epoch: int) -> list[OpenWindow]:
    """As the publisher does when a stream has died."""
    lost = ledger.open_windows(epoch)
    for window in lost:
        assert ledger.close(window.epoch, window.seq, Reason.CRASH_LOST) == window
    ledger.seal(epoch)
    return lost


def _balanced(sums: dict[str, Any]) -> bool:
    dropped = sum(sums["dropped"].values())
    return bool(sums["captured"] == sums["published"] + dropped + sums["open"])


@given(STEPS)
def test_the_sum_holds_after_every_step(steps: list[tuple[str, int, int, Any]]) -> None:
    """Breaks if any order of opens, outcomes, repeats and restarts bends the sum, or if a
    window gets two outcomes."""
    ledger = Ledger()
    epoch, outcomes = 0, {}
    captured: set[tuple[int, int]] = set()
    for kind, seq, back, outcome in steps:
        at = (epoch - back, seq)
        if kind == "epoch":
            epoch += 1
        elif kind == "open" and ledger.open(opened(*at)):
            assert at not in captured
            captured.add(at)
        elif kind == "close" and ledger.close(*at, outcome):
            assert at in captured
            assert at not in outcomes
            outcomes[at] = str(outcome)
        elif kind == "abandon":
            for window in abandon(ledger, epoch - back):
                assert (window.epoch, window.seq) not in outcomes
                outcomes[window.epoch, window.seq] = "crash_lost"
        accounts = ledger.accounts()
        assert _balanced(accounts)
        assert all(_balanced(sums) for sums in accounts["epochs"].values())
        assert accounts["captured"] == len(captured)
        assert accounts["open"] == len(captured) - len(outcomes) == len(ledger.open_windows(epoch))
        assert accounts["published"] == list(outcomes.values()).count("published")


def test_a_second_outcome_is_refused_and_counted() -> None:
    """Breaks if a repeated message counts twice."""
    ledger = Ledger()
    ledger.open(opened(1, 0, 10, 20))
    assert ledger.close(1, 0, PUBLISHED) == OpenWindow(**opened(1, 0, 10, 20).stamp())
    assert ledger.close(1, 0, Reason.LATE) is None
    assert ledger.close(1, 7, PUBLISHED) is None
    assert ledger.close(9, 0, PUBLISHED) is None
    accounts = ledger.accounts()
    assert (accounts["published"], accounts["dropped"]) == (1, {})
    assert accounts["refused"] == {"second_outcome": 1, "unknown_seq": 2}


def test_a_window_is_opened_once_and_in_order() -> None:
    """Breaks if a repeated announcement is a second window, or a lost one goes unseen."""
    ledger = Ledger()
    assert ledger.open(opened(1, 0))
    assert not ledger.open(opened(1, 0))
    assert ledger.open(opened(1, 4))
    assert not ledger.open(opened(1, 2))
    accounts = ledger.accounts()
    assert accounts["captured"] == 2
    assert accounts["refused"] == {"reopened": 2, "skipped_seq": 3}


def test_a_crash_loses_what_was_open_and_seals_the_epoch() -> None:
    """Breaks if a window of a dead sensor stays open for ever, or comes to life again."""
    ledger = Ledger()
    for seq in range(3):
        ledger.open(opened(1, seq, seq, seq + 2))
    ledger.close(1, 1, PUBLISHED)
    lost = abandon(ledger, 1)
    assert [w.seq for w in lost] == [0, 2]
    assert abandon(ledger, 1) == []
    assert not ledger.open(opened(1, 3, 3, 5))
    assert ledger.close(1, 2, PUBLISHED) is None
    accounts = ledger.accounts()
    assert accounts["dropped"] == {"crash_lost": 2}
    assert accounts["open"] == 0


def test_an_older_epoch_cannot_be_opened() -> None:
    """Breaks if a zombie of the last run adds windows beside its successor."""
    ledger = Ledger()
    ledger.open(opened(7, 0))
    assert not ledger.open(opened(6, 0))
    assert ledger.accounts()["refused"] == {"old_epoch": 1}


def test_memory_is_bounded_over_ten_thousand_restarts() -> None:
    """Breaks if each restart of a flapping sensor leaves its accounts behind."""
    ledger = Ledger()
    for epoch in range(10_000):
        ledger.open(opened(epoch, 0))
        abandon(ledger, epoch)
    accounts = ledger.accounts()
    assert len(accounts["epochs"]) == MAX_EPOCHS
    assert accounts["captured"] == 10_000
    assert accounts["dropped"] == {"crash_lost": 10_000}


def test_open_windows_are_bounded() -> None:
    """Breaks if lost outcomes eat the publisher's memory."""
    ledger = Ledger()
    taken = [ledger.open(opened(0, seq)) for seq in range(MAX_OPEN + 5)]
    assert taken.count(False) == 5
    assert ledger.accounts()["refused"]["too_many_open"] == 5


def test_accounts_are_plain_data() -> None:
    """Breaks if a health message cannot carry them."""
    ledger = Ledger()
    ledger.open(opened(3, 0))
    ledger.close(3, 0, Reason.LATE)
    assert json.loads(json.dumps(ledger.accounts())) == ledger.accounts()


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_counted_by_its_name(reason: Reason) -> None:
    """Breaks if a reason shows as Python's name for it."""
    ledger = Ledger()
    ledger.open(opened(0, 0))
    ledger.close(0, 0, reason)
    assert ledger.accounts()["dropped"] == {reason.value: 1}


def test_an_epoch_that_goes_on_under_a_new_publisher_skips_nothing() -> None:
    """Breaks if a publisher's restart is told as 27 windows that somebody lost."""
    ledger = Ledger()
    ledger.adopt(7, 27)
    assert ledger.open(opened(7, 27))
    assert ledger.close(7, 27, PUBLISHED)
    assert ledger.accounts()["refused"] == {}
    ledger.adopt(7, 5)  # said again: what is known stays
    assert not ledger.open(opened(7, 27))


def test_overdue_names_the_one_that_all_wait_for() -> None:
    """Breaks if one outcome lost on its way could hold up a stream for ever."""
    ledger = Ledger()
    assert ledger.overdue(10**20) is None
    ledger.open(opened(1, 0), 100)
    ledger.open(opened(1, 1), 50)
    assert ledger.overdue(100) is None
    first = ledger.overdue(101)
    assert first is not None
    assert first.seq == 0
    ledger.close(1, 0, Reason.CRASH_LOST)
    assert ledger.first() == OpenWindow(**opened(1, 1).stamp(), until_ns=50)


def test_an_epoch_taken_in_counts_with_those_that_took_it() -> None:
    """Breaks if summing up old epochs loses or doubles what became of their windows."""
    first, second = Account(), Account()
    for account in (first, second):
        for seq in range(2):
            account.open(OpenWindow(**opened(1, seq).stamp()))
    first.close(0, PUBLISHED)
    first.close(1, Reason.LATE)
    second.close(0, Reason.LATE)
    second.take_in(first)
    told = {"captured": 4, "published": 1, "dropped": {"late": 2}, "open": 1}
    assert sums([second]) == told


def test_an_epoch_whose_windows_were_cut_adopts_no_other_count() -> None:
    """Breaks if a stream that introduces itself twice is given seqs that it used already."""
    account = Account()
    account.adopt(5)
    assert account.refusal(4) == "reopened"
    assert account.open(OpenWindow(**opened(1, 7).stamp())) == 2  # 5 and 6 were never announced
    account.adopt(3)
    assert account.refusal(7) == "reopened"
