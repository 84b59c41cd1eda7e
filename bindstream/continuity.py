"""What a reader missed: sequence numbers of every stream, watched. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from bindstream.types import Embedding, Gap, Scene, Tombstone


@dataclass(slots=True)
class _Track:
    epoch: int
    seq: int
    counts: dict[str, int] = field(
        default_factory=lambda: {
            "received": 0,
            "tombstones": 0,
            "gaps": 0,
            "lost": 0,
            "duplicates": 0,
            "malformed": 0,
            "skipped": 0,
        }
    )


class Continuity:
    """Per topic the last (epoch, seq) that was let through, and what it says of the next.

    A topic holds one stream of one robot (or its scene), so it names the sequence.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def admit(self, topic: str, message: Embedding | Scene | Tombstone) -> tuple[bool, Gap | None]:
        """(whether to let it through, what is missing before it).

        Refused, as a duplicate: a seq not above the last of its epoch, and any older epoch.
        Before the first message of a topic nothing is missing: the reader had not joined; a
        new epoch begins at 0, so what is missing from there is.
        """
        track = self._tracks.get(topic)
        if track is None:
            track = self._tracks[topic] = _Track(message.epoch, message.seq - 1)
        if (message.epoch, message.seq) <= (track.epoch, track.seq):
            track.counts["duplicates"] += 1
            return False, None
        expected = track.seq + 1 if message.epoch == track.epoch else 0
        track.epoch, track.seq = message.epoch, message.seq
        track.counts["received"] += 1
        track.counts["tombstones"] += isinstance(message, Tombstone)
        return True, self._gap(track, expected, message)

    def count(self, topic: str, what: str) -> None:
        """Add one to ``malformed`` or ``skipped`` of a topic, if it is known."""
        if topic in self._tracks:
            self._tracks[topic].counts[what] += 1

    def stats(self) -> dict[str, dict[str, int]]:
        """Per topic: received (tombstones among them), gaps, lost, duplicates, malformed,
        skipped; epoch and seq of the last."""
        return {
            topic: {**track.counts, "epoch": track.epoch, "seq": track.seq}
            for topic, track in self._tracks.items()
        }

    @staticmethod
    def _gap(track: _Track, expected: int, message: Embedding | Scene | Tombstone) -> Gap | None:
        if message.seq <= expected:
            return None
        track.counts["gaps"] += 1
        track.counts["lost"] += message.seq - expected
        stream = "" if isinstance(message, Scene) else message.stream
        return Gap(message.robot, stream, message.epoch, expected, message.seq - 1)
