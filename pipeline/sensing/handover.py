"""Samples on their way from the capture thread to the windows thread."""

from __future__ import annotations

import threading
from collections import deque

from bindstream.types import Sample


class Handover:
    """Bounded in number and bytes (a second of raw 720p is 80 MB): the oldest are dropped, and
    counted in ``overrun``, when nobody takes them. The newest always stays. Where it ``waits``,
    nothing is dropped: who puts asks first for room.
    """

    def __init__(self, most: int = 4096, most_bytes: int = 64 << 20) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._samples: deque[Sample] = deque()
        self._bytes = 0
        self._ready = threading.Condition()
        self.overrun = 0
        self.waits = False

    def has_room(self, timeout_s: float) -> bool:
        """Wait until there is room; always so where the oldest are dropped."""
        with self._ready:
            return self._ready.wait_for(lambda: not (self.waits and self._too_much()), timeout_s)

    def put(self, samples: list[Sample]) -> None:
        """Append, oldest first."""
        with self._ready:
            self._samples.extend(samples)
            self._bytes += sum(sample.data.nbytes for sample in samples)
            while not self.waits and len(self._samples) > 1 and self._too_much():
                self._bytes -= self._samples.popleft().data.nbytes
                self.overrun += 1
            self._ready.notify_all()

    def take(self, timeout_s: float) -> list[Sample]:
        """All that waits, oldest first; [] after ``timeout_s``."""
        with self._ready:
            self._ready.wait_for(lambda: self._samples, timeout_s)
            taken = list(self._samples)
            self._samples.clear()
            self._bytes = 0
            self._ready.notify_all()
            return taken

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        with self._ready:
            return not self._samples

    def _too_much(self) -> bool:
        return len(self._samples) > self._most or self._bytes > self._most_bytes
