"""Calls that hang are given up, and what they made is not left behind."""

from __future__ import annotations

import threading

import pytest

from sensors.audio.bounded import call_within
from tests.patience import PATIENCE_S, until


def test_results_and_errors_pass_through():
    """Breaks if the thread in between swallows either."""
    assert call_within(PATIENCE_S, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        call_within(PATIENCE_S, lambda: 1 // 0)


@pytest.mark.parametrize("fails", [False, True])
def test_a_late_result_is_undone(fails):
    """Breaks if a device that opens after we gave up stays open for ever."""
    go, undone = threading.Event(), []

    def work():
        go.wait(PATIENCE_S)
        if fails:
            raise OSError
        return "device"

    with pytest.raises(TimeoutError):
        call_within(0.05, work, undone.append)  # returns, though the work has not
    go.set()
    until(lambda: undone)
    assert undone == [None if fails else "device"]
