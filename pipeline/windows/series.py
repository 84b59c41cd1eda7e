"""The windows and holes of one stream in a row: each gets the next seq."""

from __future__ import annotations

from typing import Any

from bindstream.types import Stamped, Window
from pipeline.windows.hole import Hole, Outcome
from pipeline.windows.piece import Piece


class Series:
    """``of`` says whose they are, and the first seq. ``began``: a window was cut since the start,
    or since ``restart``; what is missing before is no hole."""

    def __init__(self, of: Stamped) -> None:
        self._of = of
        self.seq = of.seq
        self.cuts = self.holes = 0
        self.began = False
        self._hole: tuple[int, int] | None = None

    def windows(self, piece: Piece, start_ns: int, end_ns: int, arrival_ns: int) -> list[Outcome]:
        """The window of that piece; before it the hole that it ends."""
        ended = self.end_hole()
        self.began = True
        self.cuts += 1
        window = Window(
            **self._stamp(start_ns, end_ns),
            data=piece.data,
            meta=piece.meta,
            n_missing=piece.n_missing,
            captured_ns=arrival_ns,
        )
        return [*ended, window]

    def widen_hole(self, start_ns: int, end_ns: int) -> None:
        """Nothing could be cut of that either."""
        if self.began:  # before the first window it is start-up, not an outage
            self._hole = (self._hole[0] if self._hole else start_ns, end_ns)

    def end_hole(self) -> list[Outcome]:
        """The hole that was growing, if any."""
        if self._hole is None:
            return []
        (start_ns, end_ns), self._hole = self._hole, None
        self.holes += 1
        return [Hole(**self._stamp(start_ns, end_ns))]

    def restart(self) -> list[Outcome]:
        """The grid starts over; seq goes on."""
        self.began = False
        return self.end_hole()

    def _stamp(self, start_ns: int, end_ns: int) -> dict[str, Any]:
        """Of the next window or hole."""
        self.seq += 1
        place = {"seq": self.seq - 1, "start_ns": start_ns, "end_ns": end_ns}
        return self._of.stamp() | place
