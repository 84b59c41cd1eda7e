"""What a reader missed: sequence numbers of every stream, watched. Pure.

Epochs only grow, so what is not newer than the last is a duplicate. Two things may make a right
sequence look old: a robot that lost its state folder, or one wrong message with a huge epoch. So
another life of the publisher is believed at once, and without a word about lives a run of
``REBORN_AFTER`` messages that follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bindstream.types import Embedding, Gap, Scene, Tombstone

REBORN_AFTER = 16
MOST_SPACES = 16
"""Of one robot, whose sequences are remembered: it has as many as encoders that differ."""


@dataclass(slots=True)
class _Track:
    epoch: int
    seq: int
    life: str = ""
    doubted: tuple[int, int, int] = (0, 0, 0)
    """Epoch and seq of the newest that was refused as older, and how many followed in a row."""
    counts: dict[str, int] = field(
        default_factory=lambda: {
            "received": 0,
            "tombstones": 0,
            "gaps": 0,
            "lost": 0,
            "duplicates": 0,
            "malformed": 0,
            "skipped": 0,
            "reborn": 0,
        }
    )


class Continuity:
    """Per sequence the last (epoch, seq) that was let through, and what it says of the next.

    A topic holds one stream of one robot, so it names the sequence; that of a robot's scenes holds
    one for each space.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, dict[str, _Track]] = {}  # by topic, and then by space

    def admit(self, topic: str, message: Embedding | Scene | Tombstone) -> tuple[bool, Gap | None]:
        """(whether to let it through, what is missing before it).

        Refused, as a duplicate: a seq not above the last of its epoch, and any older epoch,
        unless the publisher lives anew (``reborn``). Before the first message of a topic nothing
        is missing: the reader had not joined; a new epoch begins at 0, so what is missing from
        there is.
        """
        space_id = message.space_id if isinstance(message, Scene) else ""
        tracks = self._tracks.setdefault(topic, {})
        track = tracks.pop(space_id, None) or _Track(message.epoch, message.seq - 1, message.life)
        tracks[space_id] = track  # the last of them is the newest
        while len(tracks) > MOST_SPACES:
            del tracks[next(iter(tracks))]
        if message.epoch < track.epoch and _is_reborn(track, message):
            track.counts["reborn"] += 1
        elif (message.epoch, message.seq) <= (track.epoch, track.seq):
            track.counts["duplicates"] += 1
            return False, None
        track.life, track.doubted = message.life, (0, 0, 0)
        expected = track.seq + 1 if message.epoch == track.epoch else 0
        track.epoch, track.seq = message.epoch, message.seq
        track.counts["received"] += 1
        track.counts["tombstones"] += isinstance(message, Tombstone)
        return True, self._gap(track, expected, message)

    def count(self, topic: str, what: str) -> None:
        """Add one to ``malformed`` or ``skipped`` of a topic, if it is known."""
        if topic in self._tracks:
            _newest(self._tracks[topic]).counts[what] += 1

    def stats(self) -> dict[str, dict[str, int]]:
        """Per topic: received (tombstones among them), gaps, lost, duplicates, malformed,
        skipped, reborn; epoch and seq of the last."""
        return {topic: _summed(tracks) for topic, tracks in self._tracks.items()}

    @staticmethod
    def _gap(track: _Track, expected: int, message: Embedding | Scene | Tombstone) -> Gap | None:
        if message.seq <= expected:
            return None
        track.counts["gaps"] += 1
        track.counts["lost"] += message.seq - expected
        stream = "" if isinstance(message, Scene) else message.stream
        return Gap(message.robot, stream, message.epoch, expected, message.seq - 1)


def _newest(tracks: dict[str, _Track]) -> _Track:
    return next(reversed(tracks.values()))


def _summed(tracks: dict[str, _Track]) -> dict[str, int]:
    last = _newest(tracks)
    counts = {name: sum(t.counts[name] for t in tracks.values()) for name in last.counts}
    return {**counts, "epoch": last.epoch, "seq": last.seq}


def _is_reborn(track: _Track, message: Embedding | Scene | Tombstone) -> bool:
    """Whether an older epoch is the true one: see the top of this file."""
    if message.life != track.life:
        return True
    epoch, seq, run = track.doubted
    follows = (message.epoch, message.seq) == (epoch, seq + 1)
    track.doubted = (message.epoch, message.seq, run + 1 if follows else 1)
    return track.doubted[2] >= REBORN_AFTER
