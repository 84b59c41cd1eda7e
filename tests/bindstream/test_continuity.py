"""Sequence numbers watched: against the obvious way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bindstream.continuity import REBORN_AFTER, Continuity
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


def test_another_life_of_the_publisher_is_believed_at_once() -> None:
    """Breaks if a robot that lost its state folder is deaf to its connected readers: every epoch
    begins below the last, and all would count as duplicates."""
    continuity = Continuity()
    continuity.admit(TOPIC, embedding(90, epoch=7, life="old"))
    assert continuity.admit(TOPIC, embedding(2, epoch=1, life="new")) == (
        True,
        Gap("demo", "front", 1, 0, 1),
    )
    assert continuity.admit(TOPIC, embedding(3, epoch=1, life="new")) == (True, None)
    assert continuity.admit(TOPIC, embedding(3, epoch=1, life="new")) == (False, None)
    assert continuity.stats()[TOPIC]["reborn"] == 1


def test_a_restarted_publisher_that_goes_on_is_no_rebirth() -> None:
    """Breaks if what a publisher told just before it died, and its successor again, comes twice."""
    continuity = Continuity()
    continuity.admit(TOPIC, embedding(90, epoch=7, life="old"))
    assert continuity.admit(TOPIC, embedding(90, epoch=7, life="new")) == (False, None)
    assert continuity.admit(TOPIC, embedding(91, epoch=7, life="new")) == (True, None)
    assert continuity.stats()[TOPIC]["reborn"] == 0


def test_one_forged_epoch_does_not_blind_for_ever() -> None:
    """Breaks if one wrong message silences a stream for its reader until the reader restarts."""
    continuity = Continuity()
    for seq in range(5):
        continuity.admit(TOPIC, embedding(seq, epoch=3))
    continuity.admit(TOPIC, embedding(0, epoch=2**62))
    admitted = [
        seq for seq in range(5, 5 + 3 * REBORN_AFTER)
        if continuity.admit(TOPIC, embedding(seq, epoch=3))[0]
    ]  # fmt: skip
    assert admitted == list(range(4 + REBORN_AFTER, 5 + 3 * REBORN_AFTER))
    assert continuity.stats()[TOPIC]["reborn"] == 1


def test_the_scenes_of_each_space_are_a_sequence_of_their_own() -> None:
    """Breaks if a robot of two spaces looks to its readers like duplicates and losses: every second
    scene would be dropped."""
    continuity, topic = Continuity(), "scene/demo/"
    told = [(space, epoch, seq) for seq in range(4) for space, epoch in (("a:0", 5), ("b:1", 9))]
    for space, epoch, seq in told:
        if (space, seq) != ("b:1", 2):
            admitted, gap = continuity.admit(topic, scene(seq, epoch=epoch, space_id=space))
            assert admitted
            missing = (gap.epoch, gap.first, gap.last) if gap else None
            assert missing == ((9, 2, 2) if (space, seq) == ("b:1", 3) else None)
    assert not continuity.admit(topic, scene(3, epoch=5, space_id="a:0"))[0]
    stats = continuity.stats()[topic]
    assert (stats["received"], stats["lost"], stats["duplicates"]) == (7, 1, 1)
