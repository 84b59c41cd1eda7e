"""Sequence numbers watched: against the obvious way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bindstream.continuity import Continuity
from bindstream.types import Gap
from tests.bindstream.messages import embedding, scene, tombstone

TOPIC = "embedding/demo/front/"


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12), st.booleans()), max_size=60))
def test_order_gaps_and_duplicates(arrivals: list[tuple[int, int, bool]]) -> None:
    """Breaks if a message comes twice or backward, or a loss is unseen or invented."""
    continuity = Continuity()
    passed: list[tuple[int, int]] = []
    gaps: list[Gap] = []
    for epoch, seq, dead in arrivals:
        message = (tombstone if dead else embedding)(seq, epoch=epoch)
        admit, gap = continuity.admit(TOPIC, message)
        if admit:
            passed.append((epoch, seq))
        if gap:
            assert admit
            gaps.append(gap)
    assert passed == sorted(set(passed))
    missing = {(g.epoch, seq) for g in gaps for seq in range(g.first, g.last + 1)}
    assert not missing & set(passed)
    epochs = {epoch for epoch, _ in passed}
    wanted = set()
    for epoch in epochs:
        seqs = [seq for e, seq in passed if e == epoch]
        first = seqs[0] if epoch == passed[0][0] else 0  # joined late, no loss
        wanted |= {(epoch, seq) for seq in range(first, max(seqs))} - set(passed)
    assert missing == wanted
    if arrivals:
        stats = continuity.stats()[TOPIC]
        assert stats["received"] == len(passed)
        assert stats["duplicates"] == len(arrivals) - len(passed)
        assert (stats["gaps"], stats["lost"]) == (len(gaps), len(missing))


def test_a_tombstone_is_no_gap() -> None:
    """Breaks if what the robot dropped and said so looks like loss on the way."""
    continuity = Continuity()
    assert continuity.admit(TOPIC, embedding(0)) == (True, None)
    assert continuity.admit(TOPIC, tombstone(1)) == (True, None)
    assert continuity.admit(TOPIC, embedding(2)) == (True, None)
    assert continuity.stats()[TOPIC]["tombstones"] == 1


def test_topics_are_watched_apart() -> None:
    """Breaks if two streams share one sequence."""
    continuity = Continuity()
    continuity.admit(TOPIC, embedding(5))
    assert continuity.admit("scene/demo/", scene(0)) == (True, None)
    _, gap = continuity.admit("scene/demo/", scene(3))
    assert gap == Gap("demo", "", 2, 1, 2)


def test_only_known_topics_are_counted_for() -> None:
    """Breaks if malformed topics of a stranger grow the reader's memory."""
    continuity = Continuity()
    continuity.count("rubbish", "malformed")
    assert continuity.stats() == {}
