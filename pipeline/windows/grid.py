"""Where the windows of a stream lie: their ends are whole hops of Unix time."""

from __future__ import annotations

from typing import NamedTuple


class Grid(NamedTuple):
    """Windows of ``length_ns``, one every ``hop_ns``."""

    length_ns: int
    hop_ns: int

    def first_end_ns(self, first_ns: int) -> int:
        """The end of the first window that begins no earlier than that."""
        return -(-(first_ns + self.length_ns) // self.hop_ns) * self.hop_ns

    def end_after_ns(self, t_ns: int) -> int:
        """The first end after that time."""
        return (t_ns // self.hop_ns + 1) * self.hop_ns
