"""Messages of one topic as they come from zenoh: all of them, or the newest."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from sensors.driver import Clock
from sensors.ros2 import attachment

if TYPE_CHECKING:
    import zenoh

MOST_SENDERS = 64


class Arrived(NamedTuple):
    """A message: the key it came under, its bytes (zenoh's), and when it came."""

    key: str
    payload: Any
    arrival_ns: int


class Arrivals:
    """Filled by zenoh's thread, taken by the driver's; at most ``most`` wait, the oldest go.

    ``came`` counts them; ``overtaken`` those that went; ``lost`` those that senders numbered and
    that never came.
    """

    def __init__(self, now_ns: Clock, most: int) -> None:
        self.came = self.overtaken = self.lost = 0
        self._first_ns = self._last_ns = 0
        self.heard_s = time.monotonic()
        self._now_ns = now_ns
        self._waiting: deque[Arrived] = deque(maxlen=most)
        self._ready = threading.Event()
        self._numbers: dict[bytes, int] = {}

    def put(self, sample: zenoh.Sample) -> None:
        """For zenoh's callback."""
        arrival_ns, self.heard_s = self._now_ns(), time.monotonic()
        self._first_ns, self._last_ns = self._first_ns or arrival_ns, arrival_ns
        self.came += 1
        self._count(sample.attachment)
        self.overtaken += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(Arrived(str(sample.key_expr), sample.payload, arrival_ns))
        self._ready.set()

    def take(self, timeout_s: float) -> list[Arrived]:
        """All that wait, oldest first; waits for the first at most so long."""
        if not self._waiting:
            self._ready.wait(timeout_s)
        self._ready.clear()
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    @property
    def silent_s(self) -> float:
        """Seconds since the last came, or since the beginning."""
        return time.monotonic() - self.heard_s

    @property
    def rate_hz(self) -> float:
        """Messages per second since the beginning; 0 of fewer than two."""
        span_ns = self._last_ns - self._first_ns
        return (self.came - 1) * 1e9 / span_ns if self.came > 1 and span_ns > 0 else 0.0

    @property
    def period_s(self) -> float:
        """Seconds between two; infinite where that is not known."""
        return 1 / self.rate_hz if self.rate_hz else math.inf

    def _count(self, told: zenoh.ZBytes | None) -> None:
        """By their numbers, which each sender counts up; one that began anew has lost nothing."""
        found = attachment.unpacked(told.to_bytes()) if told is not None else None
        if found is None:
            return
        before = self._numbers.get(found.sender)
        if before is not None and found.number > before:
            self.lost += found.number - before - 1
        if len(self._numbers) >= MOST_SENDERS and before is None:
            self._numbers.clear()
        self._numbers[found.sender] = found.number
