"""Puts the outcomes of one stream back in the order of their windows."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class InOrder(Generic[T]):
    """Windows are announced in order and finish in any; outcomes leave in the announced order.

    A window dropped while its forerunner is still with the encoder waits for it: readers see
    each seq once, rising. The wait is bounded: ``overdue`` names a forerunner to be given up.
    """

    def __init__(self) -> None:
        self._expected: deque[tuple[int, int]] = deque()
        self._finished: dict[int, T] = {}

    def expect(self, seq: int, until_ns: int) -> None:
        """A window was cut; its outcome comes by ``until_ns`` or never."""
        self._expected.append((seq, until_ns))

    def overdue(self, now_ns: int) -> int | None:
        """The seq that all others wait for, if its time is over."""
        if self._expected and self._expected[0][1] < now_ns:
            return self._expected[0][0]
        return None

    def finish(self, seq: int, outcome: T) -> list[T]:
        """A window has its outcome; return all that may leave now."""
        self._finished[seq] = outcome
        ready: list[T] = []
        while self._expected and self._expected[0][0] in self._finished:
            ready.append(self._finished.pop(self._expected.popleft()[0]))
        return ready

    def clear(self) -> list[T]:
        """Forget what is still expected; return the outcomes that were held back for it."""
        self._expected.clear()
        held = [self._finished[seq] for seq in sorted(self._finished)]
        self._finished.clear()
        return held
