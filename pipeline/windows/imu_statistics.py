"""Mean and deviation of inertial data as it comes: a live stream has no end to standardise over.

Plain ones of all readings so far, until five minutes are in; from then on older readings fade, as
if each batch replaced its share of five minutes. A reading that no device measures (1e8 m/s2) would
spoil both for an hour; it is left out here, as one that is not finite is. The deviation has a floor
near a sensor's own noise, so that a robot at rest does not become a storm of noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bindstream.imu import out_of_range
from bindstream.types import ImuMeta

HORIZON_S = 300.0
STD_FLOOR = np.array([0.05] * 3 + [0.01] * 3)
"""m/s2 for the accelerometer, rad/s for the gyroscope."""


class RunningStatistics:
    """Mean and deviation per channel over a fading horizon (Chan et al. 1979, merged batches)."""

    def __init__(self, horizon: float) -> None:
        self._horizon = horizon
        self._weight = 0.0
        self._mean = np.zeros(6)
        self._variance = np.zeros(6)

    def add(self, batch: NDArray[np.float64]) -> None:
        """Merge a batch (n, 6)."""
        batch = batch[~out_of_range(batch.T)]
        n = len(batch)
        if n == 0:
            return
        old = min(self._weight, max(0.0, self._horizon - n))
        total = old + n
        shift = batch.mean(axis=0) - self._mean
        spread = old * self._variance + n * batch.var(axis=0) + shift**2 * old * n / total
        self._mean = self._mean + shift * n / total
        self._variance = spread / total
        self._weight = total

    def meta(self, rate_hz: float) -> ImuMeta:
        """As the front end gets them, the floor applied."""
        std = np.maximum(np.sqrt(self._variance), STD_FLOOR)
        return ImuMeta(rate_hz, tuple(map(float, self._mean)), tuple(map(float, std)))
