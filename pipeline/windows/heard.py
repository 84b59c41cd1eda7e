"""Which of the newest samples of sound were heard, and which are silence for what was lost."""

from __future__ import annotations

import numpy as np

from bindstream.types import Array


class Heard:
    """A ring of yes and no. ``count``: samples so far, whether heard or not."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.count = 0
        self._ring = np.zeros(held, np.bool_)

    def add(self, n: int, *, heard: bool) -> None:
        """``n`` more samples, at most as many as are held."""
        self._ring[self._places(self.count, self.count + n)] = heard
        self.count += n

    def skip(self, n: int) -> None:
        """Only the count goes on: the ring was filled with silence before."""
        self.count += n

    def missing(self, first: int, end: int) -> int | None:
        """How many of the samples [first, end) were not heard; None where they are held no more."""
        if first < self._oldest():
            return None
        return end - first - int(np.count_nonzero(self._ring[self._places(first, end)]))

    def first_from(self, index: int) -> int | None:
        """The first sample heard that is not before that one."""
        first = max(index, self._oldest())
        heard = np.flatnonzero(self._ring[self._places(first, self.count)])
        return first + int(heard[0]) if len(heard) else None

    def clear(self) -> None:
        """Nothing was heard yet."""
        self.count = 0
        self._ring[:] = False

    def _oldest(self) -> int:
        return max(0, self.count - self.held)

    def _places(self, first: int, end: int) -> Array:
        """Where in the ring the samples [first, end) are."""
        start = first % self.held
        return np.arange(start, start + max(0, end - first)) % self.held
