"""When a replay is over: once each of its streams has ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bindstream.types import Health
from bindstream.wire import Message


class PlayedOut:
    """Stands where ``Patience`` stands for a run. ``left``: the streams that have not ended yet.

    A publisher says of a stream that it ended once all of its windows, and the scenes up to then,
    were told: with the last, nothing follows.
    """

    def __init__(self, streams: Iterable[str]) -> None:
        self.left = set(streams)

    def deployed(self, now_s: float) -> None:
        """Every part runs: how long a recording takes is its own matter."""

    def vector(self, now_s: float) -> None:
        """One came."""

    def hear(self, message: Message | None) -> None:
        """One message of the replay."""
        if isinstance(message, Health) and message.state == "ended":
            self.left.discard(message.stream)

    def over(self, _now_s: float) -> bool:
        """Whether all was played."""
        return not self.left
