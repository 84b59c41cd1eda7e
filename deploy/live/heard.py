"""What a run hears of its robots, as any subscriber would: how streams are, first vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bindstream.command.rows import StreamRow, row_of
from bindstream.types import Embedding, Event, Health
from bindstream.wire import Message
from deploy.live.changes import Place


class Heard:
    """``take`` belongs to one thread; others may ask."""

    def __init__(self, streams: Iterable[Place]) -> None:
        self._rows: dict[Place, StreamRow] = {place: StreamRow(*place) for place in streams}
        self._vectors: set[Place] = set()

    @property
    def any_vector(self) -> bool:
        """Whether one came, of whatever stream."""
        return bool(self._vectors)

    def take(self, message: Message | None) -> bool:
        """One message; whether it is the first vector of its stream."""
        match message:
            case Embedding():
                return self._is_first((message.robot, message.stream))
            case Health():
                self._rows[message.robot, message.stream] = row_of(message)
            case Event(name="stream_removed"):
                self._rows.pop((message.robot, str(message.detail.get("stream"))), None)
        return False

    def epochs(self) -> dict[Place, int]:
        """Of each stream, the one that it is in; 0 before it said so."""
        return {place: row.epoch for place, row in list(self._rows.items())}

    def have_begun(self, streams: Iterable[Place], before: Mapping[Place, int]) -> bool:
        """Whether each of them is in a newer epoch than it was."""
        now = self.epochs()
        return all(now.get(place, 0) > before.get(place, 0) for place in streams)

    def whys(self) -> str:
        """How each stream is and why, in a line."""
        rows = list(self._rows.values())
        return "; ".join(f"{r.stream}: {r.state}{f', {r.why}' * bool(r.why)}" for r in rows)

    def _is_first(self, place: Place) -> bool:
        first = place not in self._vectors
        self._vectors.add(place)
        return first
