"""When a replay is over: once each of its streams has ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bindstream.types import Embedding, Event, Health
from bindstream.wire import Message


class PlayedOut:
    """Stands where ``Patience`` stands for a run. ``left``: the streams that have not ended yet. It
    is over too once all of those are waited for no more (`stream_overdue`): nothing would follow.

    A publisher says of a stream that it ended once all of its windows, and the scenes up to then,
    were told: with the last, nothing follows.
    """

    def __init__(self, streams: Iterable[str]) -> None:
        self.left = set(streams)
        self._overdue: set[str] = set()

    def deployed(self, now_s: float) -> None:
        """Every part runs: how long a recording takes is its own matter."""

    def vector(self, now_s: float) -> None:
        """One came."""

    def hear(self, message: Message | None) -> None:
        """One message of the replay."""
        match message:
            case Health(state="ended", stream=stream):
                self.left.discard(stream)
            case Event(name="stream_overdue", detail={"stream": str(stream)}):
                self._overdue.add(stream)
            case Embedding(stream=stream):
                self._overdue.discard(stream)

    def over(self, _now_s: float) -> bool:
        """Whether all was played, or the rest never will be."""
        return self.left <= self._overdue
