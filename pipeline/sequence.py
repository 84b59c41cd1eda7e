"""Puts the outcomes of one stream back in the order of their windows."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class InOrder(Generic[T]):
    """Windows are announced in order and finish in any; outcomes leave in the announced order.

    A window dropped while its forerunner is still with the encoder waits for it: readers see
    each seq once, rising. The wait is bounded by the forerunner's deadline.
    """

    def __init__(self) -> None:
        self._expected: deque[int] = deque()
        self._finished: dict[int, T] = {}

    def expect(self, seq: int) -> None:
        """A window was cut."""
        self._expected.append(seq)

    def finish(self, seq: int, outcome: T) -> list[T]:
        """A window has its outcome; return all that may leave now."""
        self._finished[seq] = outcome
        ready: list[T] = []
        while self._expected and self._expected[0] in self._finished:
            ready.append(self._finished.pop(self._expected.popleft()))
        return ready

    def clear(self) -> list[T]:
        """Forget what is still expected; return the outcomes that were held back for it."""
        self._expected.clear()
        held = [self._finished[seq] for seq in sorted(self._finished)]
        self._finished.clear()
        return held
