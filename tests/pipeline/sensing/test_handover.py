"""Samples on their way from one thread to another."""

from __future__ import annotations

import threading
import time

import numpy as np

from bindstream.types import Sample
from pipeline.sensing.handover import Handover


def sample(arrival_ns: int = 0, n: int = 6) -> Sample:
    return Sample("s", arrival_ns, np.zeros(n, np.float32), arrival_ns)


def test_handover_is_bounded_in_number_and_bytes():
    """Breaks if a stalled window thread lets raw frames pile up, or losses are not counted."""
    few = Handover(most=3)
    few.put([sample(i) for i in range(5)])
    assert few.overrun == 2
    assert [s.arrival_ns for s in few.take(0.0)] == [2, 3, 4]
    small = Handover(most_bytes=100)
    small.put([sample(i, n=10) for i in range(4)])  # 40 bytes each
    assert small.overrun == 2
    assert [s.arrival_ns for s in small.take(0.0)] == [2, 3]
    small.put([sample(9, n=1000)])
    assert len(small.take(0.0)) == 1  # the newest stays, however large
    small.put([sample(i, n=10) for i in range(2)])
    assert len(small.take(0.0)) == 2  # what was taken no longer counts


def test_take_waits_for_the_first_sample_only():
    """Breaks if the window thread polls, or sleeps while samples wait."""
    handover = Handover()
    start_s = time.monotonic()
    assert handover.take(0.05) == []
    assert time.monotonic() - start_s >= 0.045
    threading.Timer(0.05, lambda: handover.put([sample()])).start()
    assert len(handover.take(60.0)) == 1
