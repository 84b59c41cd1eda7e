"""Mean and deviation of inertial data as it comes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.windows.imu_statistics import STD_FLOOR, RunningStatistics


def test_what_no_device_measures_is_left_out() -> None:
    """Breaks if one reading of 1e8 m/s2, or one that is no number, spoils an hour."""
    statistics = RunningStatistics(horizon=1000)
    statistics.add(np.array([[1.0] * 6, [1e8] * 6, [np.nan] * 6]))
    assert statistics.meta(400.0).mean == (1.0,) * 6


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_statistics_are_plain_until_the_horizon(sizes: list[int], seed: int) -> None:
    """Breaks if merging batches is not the mean and deviation of all readings."""
    rng = np.random.default_rng(seed)
    batches = [rng.normal(3, 2, (n, 6)) for n in sizes]
    statistics = RunningStatistics(horizon=1e9)
    for batch in batches:
        statistics.add(batch)
    seen = np.concatenate(batches)
    meta = statistics.meta(400.0)
    if len(seen):
        assert np.allclose(meta.mean, seen.mean(axis=0))
        assert np.allclose(meta.std, np.maximum(seen.std(axis=0), STD_FLOOR))
    assert min(meta.std) >= STD_FLOOR.min()


def test_statistics_follow_a_change_after_the_horizon() -> None:
    """Breaks if a bias that warms up is averaged over the robot's whole life."""
    statistics = RunningStatistics(horizon=1000)
    for value, batches in ((0.0, 1000), (10.0, 50)):
        for _ in range(batches):
            statistics.add(np.full((100, 6), value))
    assert statistics.meta(400.0).mean[0] > 9.0
