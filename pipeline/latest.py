"""The newest window wins: one slot between the thread that cuts and the calls that encode.

Embeddings are for robots that act now, so a window that waited is worth less than the one
behind it. The slot holds one item; a newer one takes its place and the older comes back to
the caller, who owes the ledger a reason (``superseded``). At most ``in_flight`` items are out
at a time. Where nothing may be lost (a recording), ``offer`` waits for the place instead. All
methods may be called from any thread.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """One waiting item, and a bound on how many are out."""

    def __init__(self, in_flight: int = 1) -> None:
        if in_flight < 1:
            raise ValueError(f"in_flight must be at least 1, got {in_flight}")
        self._limit = in_flight
        self._out = 0
        self._waiting: T | None = None
        self._newest: T | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> T | None:
        """Offer an item; return the one it superseded, or ``item`` itself once closed."""
        with self._changed:
            if self._closed:
                return item
            superseded, self._waiting = self._waiting, item
            self._newest = item
            self._changed.notify_all()
            return superseded

    def offer(self, item: T, timeout_s: float) -> bool:
        """Offer an item to a slot where nothing is superseded: wait until none is before it.

        False where it was not taken in within ``timeout_s``, or the slot is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting is None, timeout_s)
            if self._closed or self._waiting is not None:
                return False
            self._waiting = item
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float | None = 0.0) -> T | None:
        """The waiting item, once fewer than ``in_flight`` are out; it is out until ``done``.

        Waits at most ``timeout_s`` (None: for ever); None when there is nothing to take in
        that time, or when the slot is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._ready(), timeout_s)
            if not self._ready():
                return None
            item, self._waiting = self._waiting, None
            self._out += 1
            self._changed.notify_all()
            return item

    def is_newest(self, item: T, timeout_s: float) -> bool:
        """Whether none was put after that one, nor is within ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest is not item, timeout_s)
            return self._newest is item

    def done(self) -> None:
        """One item that was taken has its outcome. Raises RuntimeError if none is out."""
        with self._changed:
            if self._out == 0:
                raise RuntimeError("done() without a take()")
            self._out -= 1
            self._changed.notify_all()

    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is out."""
        with self._changed:
            return self._waiting is None and self._out == 0

    def close(self) -> T | None:
        """Refuse what comes, wake who waits; return the item that was never taken."""
        with self._changed:
            self._closed = True
            item, self._waiting = self._waiting, None
            self._changed.notify_all()
            return item

    def _ready(self) -> bool:
        return self._waiting is not None and self._out < self._limit
