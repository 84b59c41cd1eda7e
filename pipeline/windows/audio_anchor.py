"""When each sample of an unbroken signal was heard: a count, anchored to stamps that jitter.

The anchor follows the stamps slowly (the mean of the first 64 chunks, then 1/64 of each one's
error), so that jitter and drift of the device's clock never tear the signal. A chunk that is off
its place by more than half its length (10 ms at least, 50 ms at most; up to twice that while the
anchor is young) is believed.
"""

from __future__ import annotations

JITTER_NS = 10_000_000
MAX_JITTER_NS = 50_000_000
"""Stamps may be off by half a chunk, within these bounds."""
SMOOTHING = 64
"""Chunks over which the anchor follows the stamps."""
SECOND_NS = 1_000_000_000


class Anchor:
    """Turns places in the count into times and back. ``t_ns``: when sample 0 was heard, as now
    believed; None before the first chunk."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._chunks = 0  # that it has followed
        self.t_ns: int | None = None

    def place(self, t_ns: int, n: int, count: int) -> int:
        """Where a chunk of ``n`` samples begins that was stamped so, after ``count`` samples; the
        anchor follows the stamp if it is near enough."""
        anchor_ns = self.t_ns = t_ns if self.t_ns is None else self.t_ns
        error_ns = t_ns - self.time_ns(count)
        half_ns = n * SECOND_NS // self._rate_hz // 2
        bound_ns = min(max(JITTER_NS, half_ns), MAX_JITTER_NS)
        followed = max(1, self._chunks)
        # the anchor is a mean of so many stamps, and itself off by that much
        if abs(error_ns) > bound_ns * (1 + followed**-0.5):
            return count + round(error_ns * self._rate_hz / SECOND_NS)
        self._chunks = min(self._chunks + 1, SMOOTHING)
        self.t_ns = anchor_ns + int(error_ns / self._chunks)
        return count

    def index(self, t_ns: int) -> int:
        """The sample that was heard then."""
        return (t_ns - (self.t_ns or 0)) * self._rate_hz // SECOND_NS

    def time_ns(self, index: int) -> int:
        """When that sample was heard."""
        return (self.t_ns or 0) + index * SECOND_NS // self._rate_hz

    def restart(self) -> None:
        """The next chunk sets it."""
        self.t_ns, self._chunks = None, 0
