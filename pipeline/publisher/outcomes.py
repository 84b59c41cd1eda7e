"""What becomes of each window: its one outcome, in the order of seq, as readers are told. Pure.

Accounts and order are each stream's own (``ledger``, ``sequence``); here outcomes get what their
stream could not know: the answers in words, the time of telling, and the publisher's ``life``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgspec.structs import replace

from bindstream.types import Embedding, Reason, Stamped, Tombstone
from pipeline.publisher.account import PUBLISHED, OpenWindow
from pipeline.publisher.robot_time import RobotTime
from pipeline.publisher.stream import Stream
from pipeline.publisher.words import Asked

Told: TypeAlias = list[Embedding | Tombstone]


class Outcomes:
    """Of all streams of a robot. ``asked`` gives vectors their words; ``join`` is called with each
    embedding as it is published."""

    def __init__(
        self, life: str, time: RobotTime, asked: Asked, join: Callable[[Embedding], object]
    ) -> None:
        self._life, self._time, self._asked, self._join = life, time, asked, join
        self._settled: dict[str, tuple[int, int]] = {}

    def open(self, stream: Stream, window: Stamped, now_ns: int) -> None:
        """A window was cut: from now on an outcome is owed."""
        until_ns = self._time.outcome_until_ns(window.end_ns + stream.deadline_ns, now_ns)
        stream.ledger.open(window, until_ns)

    def encoded(self, stream: Stream, m: Embedding, now_ns: int, *, overtaken: bool) -> Told:
        """It has a vector; ``overtaken``: a newer one of its stream waits behind it."""
        waited_ns = now_ns - m.encoded_ns if self._time.is_live else 0
        if overtaken and waited_ns > stream.hop_ns:  # here, and a newer one is in
            return self._finish(stream, m, Reason.SUPERSEDED, now_ns)
        words = self._asked.of_vector(m.modality, m.space_id, m.vector)
        return self._finish(stream, m, replace(m, words=words, life=self._life), now_ns)

    def dropped(self, stream: Stream, m: Tombstone, now_ns: int) -> Told:
        """It has none."""
        return self._finish(stream, m, m.reason, now_ns)

    def end(self, stream: Stream, epoch: int, reason: Reason, now_ns: int) -> Told:
        """What an epoch left open, as tombstones, in the order of seq with what was held back."""
        left = stream.order.leave_all(epoch, reason)
        told = [self._depart(stream, *one, now_ns) for one in left]
        stream.ledger.seal(epoch)
        return told

    def give_up(self, streams: Iterable[Stream], now_ns: int) -> Told:
        """Tombstones of windows whose outcome got lost on its way, and what waited for them."""
        told: Told = []
        for stream in streams:
            while (lost := stream.ledger.overdue(now_ns)) is not None:
                told.append(self._depart(stream, lost, Reason.CRASH_LOST, now_ns))
                told += self._leave(stream, now_ns)
        return told

    def settled(self) -> dict[str, tuple[int, int]]:
        """Per stream the newest (epoch, seq) that readers were told of since the last call."""
        news, self._settled = self._settled, {}
        return news

    def _finish(
        self, stream: Stream, window: Stamped, outcome: Embedding | Reason, now_ns: int
    ) -> Told:
        stream.order.finish(window.epoch, window.seq, outcome)
        return self._leave(stream, now_ns)

    def _leave(self, stream: Stream, now_ns: int) -> Told:
        return [self._depart(stream, *left, now_ns) for left in stream.order.leave()]

    def _depart(
        self, stream: Stream, window: OpenWindow, outcome: Embedding | Reason, now_ns: int
    ) -> Embedding | Tombstone:
        """Close the account of a window and stamp its outcome now: it may have waited long.

        A live robot's vector that is past its deadline by now is no news: it is superseded.
        """
        overdue = self._time.is_live and now_ns - window.end_ns > stream.deadline_ns
        if isinstance(outcome, Embedding) and overdue:
            outcome = Reason.SUPERSEDED
        self._settled[stream.name] = window.epoch, window.seq
        if isinstance(outcome, Reason):
            stream.ledger.close(window.epoch, window.seq, outcome)
            stream.flow.drop(outcome)
            told_ns = self._time.stamp_ns(now_ns, window.end_ns)
            return Tombstone(
                **window.stamp(), reason=outcome, published_ns=told_ns, life=self._life
            )
        stream.ledger.close(window.epoch, window.seq, PUBLISHED)
        published_ns = self._time.stamp_ns(now_ns, max(window.end_ns, outcome.captured_ns))
        embedding = replace(outcome, **window.stamp(), published_ns=published_ns)
        stream.flow.vector(embedding, now_ns)
        self._join(embedding)
        return embedding
