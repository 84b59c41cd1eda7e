"""Windows of inertial data: readings at their own times -> even steps, or left as they came.

The front end wants each channel standardised over its recording (facebookresearch PyTorchVideo,
Ego4D loader). A live stream has no end, so the windower keeps running statistics: plain mean
and deviation of all readings so far, until five minutes are in; from then on older readings
fade, as if each batch replaced its share of five minutes. A reading that no device measures (1e8
m/s2) is not taken at all: it would spoil both for an hour. Readings that are not finite are left
out of the statistics (not of the window: the encoder refuses it). The deviation has a floor
near a sensor's own noise, so that a robot at rest does not become a storm of noise.

``n_missing`` counts the gaps between evenly spaced stamps, by their own spacing: a device may run
some percent off its nominal rate and lack nothing. Where they are uneven the nominal rate decides.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bindstream.formats import Motion
from bindstream.imu import out_of_range
from bindstream.types import Array, ImuMeta, Sample
from pipeline.piece import Piece

HORIZON_S = 300.0
FEWEST_STEPS = 10
UNEVEN = 0.25
"""Steps off the usual one by more than this part of it are uneven; likewise a rate."""
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


class ImuContent:
    """The readings that a window may still need, in arrays that grow by doubling."""

    jitter_ns = 0

    def __init__(self, form: Motion, rate_hz: float) -> None:
        self._steps = form.steps
        self._length_ns = length_ns = round(form.length_s * 1e9)
        self._expected = max(1, round(rate_hz * length_ns / 1e9))
        capacity = 2 * self._expected
        self._times = np.zeros(capacity, np.int64)
        self._values = np.zeros((capacity, 6), np.float32)
        self._from = self._to = 0  # the readings held are [from, to)
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
        if self._to == len(self._times):
            self._make_room()
        self._times[self._to] = sample.t_ns
        self._values[self._to] = sample.data
        self._to += 1
        self.first_ns = sample.t_ns if self.first_ns is None else self.first_ns
        yield sample.t_ns

    def cut(self, start_ns: int, end_ns: int) -> Piece | None:
        """(6, steps) float32 by linear interpolation, or (6, n) of the readings as they came; None
        if less than half was received.

        The nearest readings outside the window take part in the even steps at its edges.
        """
        first, end = self._find(start_ns), self._find(end_ns)
        self._count_until(end)
        received = end - first
        if 2 * received < self._expected:
            return None
        if self._steps is None:
            data = np.ascontiguousarray(self._values[first:end].T)
        else:
            outer = max(self._from, first - 1), min(self._to, end + 1)
            data = self._interpolate(self._steps, start_ns, *outer)
        meta = self._statistics.meta(data.shape[1] * 1e9 / self._length_ns)
        return Piece(data, meta, self._missing(self._times[first:end], start_ns, end_ns))

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the earliest reading held that is not before ``after_ns``."""
        place = self._find(after_ns)
        return int(self._times[place]) if place < self._to else None

    def forget(self, before_ns: int) -> None:
        """Drop what lies before, but for the last reading: it helps at the edge."""
        place = self._find(before_ns)
        self._count_until(place)
        self._from = max(self._from, place - 1)

    def restart(self) -> None:
        """Forget all readings. The statistics stay: it is the same sensor."""
        self._from = self._to = 0
        self.first_ns = self._counted_ns = None

    def stats(self) -> dict[str, int]:
        """Nothing of its own."""
        return {}

    def _missing(self, times: Array, start_ns: int, end_ns: int) -> int:
        """How many readings a window lacks that holds those of these times."""
        by_rate = max(0, self._expected - len(times))
        if len(times) < FEWEST_STEPS:
            return by_rate
        steps = np.diff(times)
        period = float(np.median(steps))
        nominal = self._length_ns / self._expected
        even = np.mean(np.abs(steps - period) < UNEVEN * period) > 0.9
        if not even or abs(period - nominal) > UNEVEN * nominal:
            return by_rate
        between = np.round(steps / period) - 1
        edges = (int(times[0]) - start_ns + end_ns - int(times[-1])) / period
        return int(between[between > 0].sum()) + max(0, round(edges) - 1)

    def _interpolate(self, steps: int, start_ns: int, first: int, end: int) -> Array:
        at = np.arange(steps) * (self._length_ns / steps)
        times = (self._times[first:end] - start_ns).astype(np.float64)
        values = self._values[first:end]
        data = np.empty((6, steps), np.float32)
        for channel in range(6):
            data[channel] = np.interp(at, times, values[:, channel])
        return data

    def _count_until(self, end: int) -> None:
        """Let the statistics have each reading before place ``end`` once."""
        first = self._from if self._counted_ns is None else self._find(self._counted_ns)
        if end > first:
            self._statistics.add(self._values[first:end].astype(np.float64))
            self._counted_ns = int(self._times[end - 1]) + 1

    def _find(self, t_ns: int) -> int:
        """The place of the first reading held that is not before ``t_ns``."""
        held = self._times[self._from : self._to]
        return self._from + int(np.searchsorted(held, t_ns))

    def _make_room(self) -> None:
        times = self._times[self._from : self._to]
        values = self._values[self._from : self._to]
        capacity = max(len(self._times), 2 * len(times))
        self._times, self._values = (
            np.zeros(capacity, np.int64),
            np.zeros((capacity, 6), np.float32),
        )
        self._times[: len(times)], self._values[: len(times)] = times, values
        self._from, self._to = 0, len(times)
