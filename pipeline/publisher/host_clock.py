"""The publisher's own clock: Unix time that no step of the wall clock moves."""

from __future__ import annotations

import time

STEP_NS = 100_000_000


class HostClock:
    """CLOCK_MONOTONIC plus ``offset_ns``, fixed at the start; a predecessor's may be taken over."""

    def __init__(self) -> None:
        self.offset_ns = time.time_ns() - time.monotonic_ns()
        self._ahead_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.monotonic_ns() + self.offset_ns

    def wall_step(self) -> dict[str, float] | None:
        """How the wall clock was set since the last call, and how far it is ahead now, in ms; None
        where it was not. Readers compare our stamps with it."""
        before_ns, wall_ns, after_ns = self.now_ns(), time.time_ns(), self.now_ns()
        ahead_ns = wall_ns - before_ns
        read_at_once = after_ns - before_ns < STEP_NS // 10  # else a busy host slept between
        if not read_at_once or abs(ahead_ns - self._ahead_ns) <= STEP_NS:
            return None
        step_ns, self._ahead_ns = ahead_ns - self._ahead_ns, ahead_ns
        return {"step_ms": step_ns / 1e6, "total_ms": ahead_ns / 1e6}
