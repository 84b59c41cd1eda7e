"""The inertial readings that a window may still need, in the order of their times."""

from __future__ import annotations

import numpy as np

from bindstream.types import Array


class Readings:
    """Times (n,) int64 and values (n, 6) float32, in arrays that grow by doubling.

    A place is valid until the next ``add``. Those held are [``first``, ``end``).
    """

    def __init__(self, capacity: int) -> None:
        self._times = np.zeros(capacity, np.int64)
        self._values = np.zeros((capacity, 6), np.float32)
        self.first = self.end = 0

    def add(self, t_ns: int, reading: Array) -> None:
        """Hold one more; none before it is later."""
        if self.end == len(self._times):
            self._make_room()
        self._times[self.end] = t_ns
        self._values[self.end] = reading
        self.end += 1

    def find(self, t_ns: int) -> int:
        """The place of the first that is not before ``t_ns``."""
        held = self._times[self.first : self.end]
        return self.first + int(np.searchsorted(held, t_ns))

    def times(self, first: int, end: int) -> Array:
        """Of the places [first, end), as far as they are held."""
        return self._times[max(self.first, first) : min(self.end, end)]

    def values(self, first: int, end: int) -> Array:
        """Of the places [first, end), as far as they are held."""
        return self._values[max(self.first, first) : min(self.end, end)]

    def forget(self, before: int) -> None:
        """Let go of those before that place."""
        self.first = max(self.first, before)

    def clear(self) -> None:
        """Let go of all."""
        self.first = self.end = 0

    def _make_room(self) -> None:
        times, values = self.times(self.first, self.end), self.values(self.first, self.end)
        capacity = max(len(self._times), 2 * len(times))
        self._times = np.zeros(capacity, np.int64)
        self._values = np.zeros((capacity, 6), np.float32)
        self._times[: len(times)], self._values[: len(times)] = times, values
        self.first, self.end = 0, len(times)
