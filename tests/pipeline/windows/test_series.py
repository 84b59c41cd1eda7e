"""Where windows lie, and the seq that each of them and each hole gets."""

from __future__ import annotations

import numpy as np

from bindstream.types import Modality, Window
from pipeline.windows.grid import Grid
from pipeline.windows.hole import Hole
from pipeline.windows.piece import Piece
from pipeline.windows.series import Series
from tests.pipeline.messages import of

PIECE = Piece(np.zeros((2, 2), np.float32), None, 0)


def test_ends_are_whole_hops_and_the_first_window_lies_after_the_start() -> None:
    """Breaks if windows of two streams of one hop do not end together."""
    grid = Grid(length_ns=25, hop_ns=10)
    assert [grid.first_end_ns(t) for t in (0, 5, 6, 15)] == [30, 30, 40, 40]
    assert [grid.end_after_ns(t) for t in (9, 10, 19)] == [10, 20, 20]


def test_an_outage_is_one_hole_with_one_seq() -> None:
    """Breaks if start-up is told as a hole, an outage as several, or a seq is given twice."""
    series = Series(of(Modality.DEPTH, 7))
    series.widen_hole(0, 10)
    (first,) = series.windows(PIECE, 10, 20, 21)
    assert isinstance(first, Window)
    series.widen_hole(20, 30)
    series.widen_hole(30, 40)
    hole, second = series.windows(PIECE, 40, 50, 51)
    assert isinstance(hole, Hole)
    assert (hole.start_ns, hole.end_ns) == (20, 40)
    assert [m.seq for m in (first, hole, second)] == [7, 8, 9]
    series.widen_hole(50, 60)
    assert [m.seq for m in series.restart()] == [10]
    series.widen_hole(60, 70)  # start-up again
    assert series.end_hole() == []
    assert (series.seq, series.cuts, series.holes) == (11, 2, 2)
