"""The inertial readings that windows may still need."""

from __future__ import annotations

import numpy as np

from pipeline.windows.readings import Readings


def test_readings_are_found_and_forgotten_however_many_there_are() -> None:
    """Breaks if arrays that grow, or whose front was let go, lose or mix up readings."""
    readings = Readings(capacity=3)
    for n in range(50):
        readings.add(10 * n, np.full(6, n, np.float32))
        if n % 7 == 0:
            readings.forget(readings.find(10 * (n - 4)))
    first, end = readings.find(455), readings.find(480)
    assert readings.times(first, end).tolist() == [460, 470]
    assert readings.values(first, end)[:, 0].tolist() == [46, 47]
    assert readings.times(readings.first, readings.end)[0] == 450
    assert readings.find(10**9) == readings.end


def test_places_that_are_not_held_give_less() -> None:
    """Breaks if a place before the first reading is counted from the end of the array."""
    readings = Readings(capacity=2)
    readings.add(10, np.zeros(6, np.float32))
    assert readings.times(-1, 5).tolist() == [10]
    readings.clear()
    assert readings.times(0, 1).tolist() == []
    assert readings.find(0) == 0
