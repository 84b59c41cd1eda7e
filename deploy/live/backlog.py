"""What waits for a recorder's disk: a queue bounded by bytes. Who puts waits for room."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_BYTES = 256 << 20


class Backlog(Generic[T]):
    """Items with their sizes, oldest first. ``peak`` is the most bytes that ever waited."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._items: deque[T] = deque()
        self._bytes = self.peak = 0
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T, size: int) -> bool:
        """Wait for room, and append. False once it is closed. One that is larger than all the room
        there may be goes in alone."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(size))
            if self._closed:
                return False
            self._items.append(item)
            self._bytes += size
            self.peak = max(self.peak, self._bytes)
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float) -> list[T]:
        """All that waits; [] after ``timeout_s``. Its room is free again at once."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout_s)
            taken = list(self._items)
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Nothing more goes in; who waits to put is let go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self._items or self._bytes + size <= self._most
