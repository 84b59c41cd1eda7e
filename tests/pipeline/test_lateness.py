"""How old a window may be before it is taken for one of a backlog."""

from __future__ import annotations

from pipeline.lateness import FEW, Lateness

HOP_NS = 500_000_000


def test_a_stream_that_is_always_late_is_on_time() -> None:
    """Breaks if every window of a camera behind a slow network is taken for a backlog."""
    lateness = Lateness(HOP_NS)
    assert lateness.is_unusual(3_000_000_000)
    for _ in range(3):
        lateness.add(3_000_000_000)
    assert not lateness.is_unusual(3_900_000_000)
    assert lateness.is_unusual(4_100_000_000)


def test_what_is_usual_is_not_moved_by_one_and_follows_a_change() -> None:
    """Breaks if one old window excuses the next, or a stream that has come to be late is never
    believed."""
    lateness = Lateness(HOP_NS)
    for _ in range(FEW):
        lateness.add(100_000_000)
    lateness.add(9_000_000_000)
    assert lateness.is_unusual(1_200_000_000)
    assert not lateness.is_unusual(1_000_000_000)
    for _ in range(FEW):
        lateness.add(9_000_000_000)
    assert not lateness.is_unusual(9_900_000_000)
