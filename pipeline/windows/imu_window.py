"""Windows of inertial data: readings at their own times -> even steps, or left as they came.

The front end wants each channel standardised over its recording (facebookresearch PyTorchVideo,
Ego4D loader): ``imu_statistics`` keeps what that takes. A reading that no device measures (1e8
m/s2) is not taken at all. Readings that are not finite are left out of the statistics (not of the
window: the encoder refuses it).

``n_missing`` counts the gaps between evenly spaced stamps, by their own spacing: a device may run
some percent off its nominal rate and lack nothing. Where they are uneven the nominal rate decides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bindstream.formats import Motion
from bindstream.imu import out_of_range
from bindstream.types import Array, Sample
from pipeline.windows.imu_statistics import HORIZON_S, RunningStatistics
from pipeline.windows.piece import Piece
from pipeline.windows.readings import Readings

FEWEST_STEPS = 10
UNEVEN = 0.25
"""Steps off the usual one by more than this part of it are uneven; likewise a rate."""


class ImuContent:
    """The readings of one device, and what is known of all that it ever gave."""

    jitter_ns = 0

    def __init__(self, form: Motion, rate_hz: float) -> None:
        self._steps = form.steps
        self._length_ns = length_ns = round(form.length_s * 1e9)
        self._expected = max(1, round(rate_hz * length_ns / 1e9))
        self._readings = Readings(2 * self._expected)
        self._statistics = RunningStatistics(rate_hz * HORIZON_S)
        self._counted_ns: int | None = None
        self.first_ns: int | None = None

    def accepts(self, data: Array) -> bool:
        """Whether the data is (6,) floating, and such as a device measures; or not finite."""
        if data.shape != (6,) or data.dtype.kind != "f":
            return False
        return not np.isfinite(data).all() or not out_of_range(data[:, np.newaxis])[0]

    def take(self, sample: Sample) -> Iterator[int]:
        """Hold a reading; time is known until it."""
        self._readings.add(sample.t_ns, sample.data)
        self.first_ns = sample.t_ns if self.first_ns is None else self.first_ns
        yield sample.t_ns

    def cut(self, start_ns: int, end_ns: int) -> Piece | None:
        """(6, steps) float32 by linear interpolation, or (6, n) of the readings as they came; None
        if less than half was received.

        The nearest readings outside the window take part in the even steps at its edges.
        """
        readings = self._readings
        first, end = readings.find(start_ns), readings.find(end_ns)
        self._count_until(end)
        if 2 * (end - first) < self._expected:
            return None
        if self._steps is None:
            data = np.ascontiguousarray(readings.values(first, end).T)
        else:
            at_ns = np.arange(self._steps) * (self._length_ns / self._steps)
            times_ns = (readings.times(first - 1, end + 1) - start_ns).astype(np.float64)
            data = interpolated(at_ns, times_ns, readings.values(first - 1, end + 1))
        meta = self._statistics.meta(data.shape[1] * 1e9 / self._length_ns)
        times = readings.times(first, end)
        return Piece(data, meta, missing(times, start_ns, end_ns, self._expected))

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the earliest reading held that is not before ``after_ns``."""
        place = self._readings.find(after_ns)
        times = self._readings.times(place, place + 1)
        return int(times[0]) if len(times) else None

    def forget(self, before_ns: int) -> None:
        """Drop what lies before, but for the last reading: it helps at the edge."""
        place = self._readings.find(before_ns)
        self._count_until(place)
        self._readings.forget(place - 1)

    def restart(self) -> None:
        """Forget all readings. The statistics stay: it is the same sensor."""
        self._readings.clear()
        self.first_ns = self._counted_ns = None

    def stats(self) -> dict[str, int]:
        """Nothing of its own."""
        return {}

    def _count_until(self, end: int) -> None:
        """Let the statistics have each reading before place ``end`` once."""
        readings, counted_ns = self._readings, self._counted_ns
        first = readings.first if counted_ns is None else readings.find(counted_ns)
        if end > first:
            self._statistics.add(readings.values(first, end).astype(np.float64))
            self._counted_ns = int(readings.times(first, end)[-1]) + 1


def interpolated(at: Array, times: Array, values: Array) -> Array:
    """Values (n, 6) of these times -> (6, steps) float32 at those, linear between; before the first
    and after the last as they are."""
    data = np.empty((6, len(at)), np.float32)
    for channel in range(6):
        data[channel] = np.interp(at, times, values[:, channel])
    return data


def missing(times: Array, start_ns: int, end_ns: int, expected: int) -> int:
    """How many readings [start, end) lacks that holds those of these times, where the nominal rate
    gives ``expected``."""
    by_rate = max(0, expected - len(times))
    if len(times) < FEWEST_STEPS:
        return by_rate
    steps = np.diff(times)
    period = float(np.median(steps))
    nominal = (end_ns - start_ns) / expected
    even = np.mean(np.abs(steps - period) < UNEVEN * period) > 0.9
    if not even or abs(period - nominal) > UNEVEN * nominal:
        return by_rate
    between = np.round(steps / period) - 1
    edges = (int(times[0]) - start_ns + end_ns - int(times[-1])) / period
    return int(between[between > 0].sum()) + max(0, round(edges) - 1)
