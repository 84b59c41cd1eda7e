"""Calls that hang are given up, and what they made is not left behind."""

from __future__ import annotations

import threading
import time

import pytest

from sensors.audio.bounded import call_within


def test_results_and_errors_pass_through():
    """Breaks if the thread in between swallows either."""
    assert call_within(1, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        call_within(1, lambda: 1 // 0)


@pytest.mark.parametrize("fails", [False, True])
def test_a_late_result_is_undone(fails):
    """Breaks if a device that opens after we gave up stays open for ever."""
    go, undone = threading.Event(), []

    def work():
        go.wait(5)
        if fails:
            raise OSError
        return "device"

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        call_within(0.05, work, undone.append)
    assert time.monotonic() - started < 1
    go.set()
    deadline = time.monotonic() + 5
    while not undone and time.monotonic() < deadline:
        time.sleep(0.01)
    assert undone == [None if fails else "device"]
