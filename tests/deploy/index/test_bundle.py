"""Bundles: what of a stream goes to the encoders, in which pieces."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from deploy.index.bundle import MOST_BYTES, MOST_WINDOWS, PART, bundled
from pipeline.windows.hole import Outcome
from tests.deploy.index.outcomes import outcomes


@given(
    st.integers(0, 3 * PART), st.frozensets(st.integers(0, 3 * PART)), st.sets(st.integers(0, 3))
)
def test_each_outcome_is_in_one_bundle_but_those_that_are_done(count, holes, done):
    """Breaks if a window is lost or sent twice between bundles, a bundle spans two parts (which
    could then be written without it), or the end is not told, last and with the right count."""
    bundles = list(bundled(7, outcomes(count, holes), dict, done))
    parts = [{s.seq // PART for s in (*b.windows, *b.dropped)} for b in bundles]
    assert all(len(part) <= 1 for part in parts)
    assert all(len(b.windows) + len(b.dropped) <= MOST_WINDOWS for b in bundles)
    wanted = [n for n in range(count) if n // PART not in done]
    assert sorted(s.seq for b in bundles for s in (*b.windows, *b.dropped)) == wanted
    assert {s.seq for b in bundles for s in b.dropped} == {n for n in wanted if n in holes}
    assert [b.end is not None for b in bundles] == [False] * (len(bundles) - 1) + [True]
    assert bundles[-1].end.outcomes == count
    assert {b.stream for b in bundles} == {7}


def test_a_bundle_of_large_windows_is_short():
    """Breaks if eight native depth frames of a large camera are put into one row of Ray's."""
    large = outcomes(4, size=MOST_BYTES // 4)
    assert [len(b.windows) for b in bundled(0, large, dict)] == [1, 1, 1, 1]


def test_a_recording_that_breaks_off_is_told_with_what_came_before():
    """Breaks if a fault of one recording ends the whole indexing, or passes for its end."""

    def broken() -> Iterator[Outcome]:
        yield from outcomes(3)
        raise OSError("the disk is gone")

    *_, last = bundled(0, broken(), lambda: {"damaged": 1})
    assert last.end.fault == "OSError: the disk is gone"
    assert last.end.counters == {"damaged": 1}
    assert [w.seq for w in last.windows] == [0, 1, 2]
