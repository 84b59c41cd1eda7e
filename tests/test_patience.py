"""The measure of a busy machine, by which other tests judge times."""

from __future__ import annotations

import ctypes
import time

import pytest

from tests.patience import Stalls, until


def test_what_holds_up_every_thread_is_measured_where_it_was() -> None:
    """Breaks if the bounds of other tests do not give way on a machine that stands still."""
    with Stalls() as stalls:
        time.sleep(0.1)
        begun_ns = time.time_ns()
        ctypes.PyDLL(None).usleep(300_000)  # keeps every other thread waiting
        over_ns = time.time_ns()
        time.sleep(0.1)
    assert stalls.worst_s(begun_ns, over_ns) >= 0.28
    assert stalls.lost_s() >= stalls.lost_s(begun_ns, over_ns) >= 0.28
    assert stalls.lost_s(over_ns + 10**9) == 0


def test_what_sleeps_is_no_stall() -> None:
    """Breaks if a fault that waits is excused: the bounds of other tests would hold nothing."""
    with Stalls() as stalls:
        begun_ns = time.time_ns()
        time.sleep(0.5)
        took_s = (time.time_ns() - begun_ns) / 1e9
    # What this thread woke too late it lost itself: neither is told from the other here.
    assert stalls.lost_s(begun_ns) < took_s - 0.1 or took_s > 1.0


def test_waiting_in_vain_says_for_what() -> None:
    """Breaks if a test that waits for what never comes hangs, or fails without a word."""
    assert until(lambda: 7) == 7
    with pytest.raises(AssertionError, match="there was not: the answer"):
        until(lambda: None, lambda: "the answer", 0.05)
