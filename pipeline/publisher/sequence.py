"""Puts the outcomes of one stream back in the order of their windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from pipeline.publisher.account import OpenWindow
from pipeline.publisher.ledger import Ledger

T = TypeVar("T")


class InOrder(Generic[T]):
    """Windows are opened in order and finish in any; outcomes leave in the order of seq.

    A window dropped while its forerunner is still with the encoder waits for it: readers see
    each seq once, rising. Which windows are open is known to the ``ledger`` alone.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._finished: dict[tuple[int, int], T] = {}

    def finish(self, epoch: int, seq: int, outcome: T) -> bool:
        """A window has its outcome. False, and counted in the ledger, when it is not open or has
        one already."""
        key = (epoch, seq)
        if key in self._finished:
            return self._ledger.refuse("second_outcome")
        if not self._ledger.is_open(epoch, seq):
            return False
        self._finished[key] = outcome
        return True

    def leave(self) -> Iterator[tuple[OpenWindow, T]]:
        """What may leave now, oldest first. The caller closes each in the ledger before it asks
        for the next."""
        while window := self._ledger.first():
            outcome = self._finished.pop((window.epoch, window.seq), None)
            if outcome is None:
                return
            yield window, outcome

    def leave_all(self, up_to_epoch: int, lost: T) -> Iterator[tuple[OpenWindow, T]]:
        """Every open window of these epochs, oldest first; those without an outcome get ``lost``.
        The caller closes each."""
        for window in self._ledger.open_windows(up_to_epoch):
            yield window, self._finished.pop((window.epoch, window.seq), lost)
