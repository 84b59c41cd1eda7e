"""A line through arrivals: time against count. Pure."""

from __future__ import annotations

from collections import deque

POINTS = 20
SETTLED_POINTS = 5
JITTER_S = 0.005


class ArrivalLine:
    """The last twenty (count, arrival) of samples, which are the least late of their half second.

    ``nominal_ns``: the spacing told; ``rate_tolerance``: how far off it may be, as a fraction.
    """

    def __init__(self, nominal_ns: float, rate_tolerance: float) -> None:
        self._nominal_ns = nominal_ns
        # A prior on the rate, as strong as the jitter allows us to doubt it (ridge regression).
        self._prior = (JITTER_S / rate_tolerance / nominal_ns * 1e9) ** 2
        self._points: deque[tuple[int, int]] = deque(maxlen=POINTS)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known yet."""
        return not self._points

    @property
    def is_settled(self) -> bool:
        """Whether there are enough of them to judge others by."""
        return len(self._points) >= SETTLED_POINTS

    @property
    def measured_hz(self) -> float | None:
        """Samples per second, from end to end; None while there are too few."""
        if not self.is_settled:
            return None
        (n0, t0), (n1, t1) = self._points[0], self._points[-1]
        return (n1 - n0) * 1e9 / (t1 - t0) if t1 > t0 else None

    def add(self, count: int, at_ns: int) -> None:
        """Sample number ``count`` arrived then."""
        self._points.append((count, at_ns))

    def clear(self) -> None:
        """What was seen says nothing any more."""
        self._points.clear()

    def fit(self) -> tuple[float, float]:
        """(period_ns, time of sample number 0) of the line."""
        n_mean = sum(n for n, _ in self._points) / len(self._points)
        t_mean = sum(t for _, t in self._points) / len(self._points)
        xx = sum((n - n_mean) ** 2 for n, _ in self._points) + self._prior
        xy = sum((n - n_mean) * (t - t_mean) for n, t in self._points)
        period = (xy + self._nominal_ns * self._prior) / xx
        return period, t_mean - n_mean * period

    def strays_ns(self) -> float:
        """How far the point lies from the line that lies farthest."""
        period_ns, zero_ns = self.fit()
        return max(abs(t - zero_ns - n * period_ns) for n, t in self._points)
