"""What a robot's publisher knows and says: accounts, order, scenes, health. Pure.

No socket, no clock: messages of the streams go in by ``hear``; the wire's messages come out,
ready to be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bindstream.types import (
    Embedding,
    Event,
    Health,
    Modality,
    Reason,
    Scene,
    Tombstone,
    Vector,
)
from bindstream.wire import Message
from pipeline.ages import Ages
from pipeline.ledger import PUBLISHED, Ledger, OpenWindow
from pipeline.link import Bye, Dropped, Encoded, Grant, Happened, Hello, Opened, State, Upward
from pipeline.plan import PublishPlan
from pipeline.scene import Join
from pipeline.sequence import InOrder
from pipeline.words import Question, answer, answer_scene

STAGE_NAMES = ("capture", "window", "queue", "encode", "hop", "publish")
LATE_FACTOR = 3.0
"""A stream is stale when nothing was published for so many hops."""
PATIENCE_NS = 5_000_000_000
"""How long after a window's deadline its outcome may still come: after that it got lost."""


@dataclass(slots=True)
class _Stream:
    """What is known of one stream."""

    name: str
    modality: Modality
    hop_s: float
    deadline_ns: int
    ledger: Ledger = field(default_factory=Ledger)
    order: InOrder[Embedding | Tombstone] = field(default_factory=InOrder)
    ages: Ages = field(default_factory=Ages)
    state: State | None = None
    newest: Embedding | None = None
    epoch: int = 0
    instance: str = ""
    ended: bool = False


class Publication:
    """One robot's streams, in their publisher.

    ``next_epoch`` gives a number that was never given before (see ``epochs``).
    """

    def __init__(self, plan: PublishPlan, epoch: int, next_epoch: Callable[[], int]) -> None:
        self._plan = plan
        self._next_epoch = next_epoch
        self._questions: list[Question] = []
        self._space_id = ""
        self._streams = {
            name: _Stream(name, modality, plan.hops_s[name], round(plan.deadlines_s[name] * 1e9))
            for name, modality in plan.streams.items()
        }
        self._join = Join(
            plan.robot,
            epoch,
            plan.streams,
            max_age_ns={name: round(age * 1e9) for name, age in plan.max_ages_s.items()},
            weights=plan.weights,
        )
        self.refused = 0

    def ask(self, questions: list[Question], space_id: str) -> None:
        """From now on every vector and scene of that space carries the answers."""
        self._questions, self._space_id = questions, space_id

    def greet(
        self, hello: Hello, now_ns: int, offset_ns: int
    ) -> tuple[Grant | None, list[Message]]:
        """A stream starts: a new epoch for it; what its last one left open is lost.

        No grant for a stream that is not ours: it may be our successor's, and asks again.
        """
        stream = self._stream(hello.stream)
        if stream is None:
            return None, []
        if hello.instance == stream.instance:
            return Grant(stream.epoch, offset_ns), []
        said = self._end(stream, stream.epoch, Reason.CRASH_LOST, now_ns)
        stream.instance = hello.instance
        stream.epoch, stream.ended = self._next_epoch(), False
        event = self._event("stream_started", now_ns, stream=stream.name, epoch=stream.epoch)
        return Grant(stream.epoch, offset_ns), [*said, event]

    def hear(self, message: Upward, now_ns: int) -> list[Message]:
        """Take one message of a stream; return what readers are to be told."""
        stream = self._stream(message.stream)
        if stream is None or self._outdated(stream, message):
            return []
        match message:
            case Opened():
                return self._opened(stream, message, now_ns)
            case Encoded():
                return self._encoded(stream, message, now_ns)
            case Dropped():
                return self._dropped(stream, message, now_ns)
            case State():
                stream.state = message
                return [self._health(stream, now_ns)]
            case Happened():
                return [Event(self._plan.robot, message.name, message.t_ns, message.detail)]
            case Bye():
                stream.epoch, stream.ended = message.epoch, True
                said = self._end(stream, message.epoch, Reason.SHUTDOWN, now_ns)
                return [*said, self._health(stream, now_ns)]
        return []

    def give_up(self, now_ns: int) -> list[Message]:
        """Tombstones of windows whose outcome got lost on its way, and what waited for them."""
        said: list[Message] = []
        for stream in self._streams.values():
            while (seq := stream.order.overdue(now_ns)) is not None:
                lost = Dropped(stream.name, stream.epoch, seq, Reason.CRASH_LOST)
                said += self._dropped(stream, lost, now_ns)
        return said

    def scene(self, tick_ns: int, now_ns: int) -> Scene | None:
        """The scene at a tick of the Unix grid; None where no stream has anything new enough."""
        scene = self._join.tick(tick_ns)
        if scene is None:
            return None
        present = [
            (member.modality, member.weight, newest.vector)
            for member in scene.members
            if member.weight > 0 and (newest := self._streams[member.stream].newest) is not None
        ]
        asked = self._questions if scene.space_id == self._space_id else []
        words = {q.name: word for q in asked if (word := answer_scene(q, present))}
        return replace(scene, words=words, published_ns=now_ns)

    def all_ended(self) -> bool:
        """Whether every stream that ever started has said goodbye."""
        return all(stream.ended or not stream.epoch for stream in self._streams.values())

    def shut(self, now_ns: int) -> list[Message]:
        """The publisher stops: whatever is still open is dropped as ``shutdown``."""
        said: list[Message] = []
        for stream in self._streams.values():
            said += self._end(stream, stream.epoch, Reason.SHUTDOWN, now_ns)
            said.append(self._health(stream, now_ns, "stopped"))
        return said

    def status(self, now_ns: int) -> dict[str, Any]:
        """Everything about every stream as plain data, for HTTP."""
        streams = {name: self._detail(s, now_ns) for name, s in self._streams.items()}
        for name, stream in self._streams.items():
            streams[name]["state"] = _state(stream)
        return {
            "robot": self._plan.robot,
            "streams": streams,
            "scene": self._join.stats(),
            "refused": self.refused,
        }

    def health(self, now_ns: int) -> dict[str, Any]:
        """``status``: ok, degraded or down, judged by what was published, and why per stream."""
        ailing = {}
        judged = 0
        for stream in self._streams.values():
            if _state(stream) == "paused":
                continue
            judged += 1
            if why := _ailment(stream, now_ns):
                ailing[stream.name] = why
        status = "ok" if not ailing else "down" if len(ailing) == judged else "degraded"
        return {"status": status, "streams": ailing}

    # one stream -------------------------------------------------------------------------------

    def _stream(self, name: str) -> _Stream | None:
        stream = self._streams.get(name)
        self.refused += stream is None
        return stream

    def _outdated(self, stream: _Stream, m: Upward) -> bool:
        """Whether it comes from an epoch that is over: a stream that drains beside its successor.

        Outcomes are left to the ledger, which knows what is open.
        """
        over = stream.epoch if stream.ended else stream.epoch - 1
        outdated = isinstance(m, Opened | State | Bye) and m.epoch <= over
        self.refused += outdated
        return outdated

    def _opened(self, stream: _Stream, m: Opened, now_ns: int) -> list[Message]:
        said: list[Message] = []
        if m.epoch > stream.epoch:  # granted before our own restart: it goes on
            said = self._end(stream, stream.epoch, Reason.CRASH_LOST, now_ns)
            stream.epoch = m.epoch
        if stream.ledger.open(m.epoch, m.seq, m.start_ns, m.end_ns):
            until_ns = max(m.end_ns + stream.deadline_ns, now_ns) + PATIENCE_NS
            stream.order.expect(m.seq, until_ns)
        return said

    def _encoded(self, stream: _Stream, m: Encoded, now_ns: int) -> list[Message]:
        vector = np.frombuffer(m.vector, "<f4")  # may raise: before the accounts are closed
        words = self._answers(stream.modality, m.space_id, vector)
        window = stream.ledger.close(m.epoch, m.seq, PUBLISHED)
        if window is None:
            return []
        embedding = Embedding(
            robot=self._plan.robot,
            stream=stream.name,
            modality=stream.modality,
            epoch=m.epoch,
            seq=m.seq,
            start_ns=window.start_ns,
            end_ns=window.end_ns,
            captured_ns=m.captured_ns,
            windowed_ns=m.windowed_ns,
            encoded_ns=m.encoded_ns,
            published_ns=now_ns,
            queue_ms=m.queue_ms,
            encode_ms=m.encode_ms,
            n_missing=m.n_missing,
            space_id=m.space_id,
            encoder_id=m.encoder_id,
            vector=vector,
            words=words,
        )
        return self._leave(stream, stream.order.finish(m.seq, embedding), now_ns)

    def _answers(self, modality: Modality, space_id: str, vector: Vector) -> dict[str, str]:
        if space_id != self._space_id:
            return {}
        asked = [q for q in self._questions if modality in q.modalities]
        return {q.name: word for q in asked if (word := answer(q, vector))}

    def _dropped(self, stream: _Stream, m: Dropped, now_ns: int) -> list[Message]:
        window = stream.ledger.close(m.epoch, m.seq, m.reason)
        if window is None:
            return []
        tomb = self._tombstone(stream, window, m.reason, now_ns)
        return self._leave(stream, stream.order.finish(m.seq, tomb), now_ns)

    def _leave(
        self, stream: _Stream, outcomes: list[Embedding | Tombstone], now_ns: int
    ) -> list[Message]:
        """Stamp what leaves now: it may have waited for a forerunner."""
        said: list[Message] = []
        for held in outcomes:
            outcome = replace(held, published_ns=now_ns)
            said.append(outcome)
            if isinstance(outcome, Embedding):
                stream.newest = outcome
                stream.ages.add(outcome)
                self._join.add(outcome)
        return said

    def _end(self, stream: _Stream, epoch: int, reason: Reason, now_ns: int) -> list[Message]:
        """What an epoch left open, as tombstones, in the order of seq with what was held back."""
        lost = stream.ledger.abandon(epoch, reason)
        tombs = [self._tombstone(stream, window, reason, now_ns) for window in lost]
        left = sorted([*stream.order.clear(), *tombs], key=lambda m: (m.epoch, m.seq))
        return self._leave(stream, left, now_ns)

    def _tombstone(
        self, stream: _Stream, window: OpenWindow, reason: Reason, now_ns: int
    ) -> Tombstone:
        return Tombstone(
            robot=self._plan.robot,
            stream=stream.name,
            modality=stream.modality,
            epoch=window.epoch,
            seq=window.seq,
            start_ns=window.start_ns,
            end_ns=window.end_ns,
            reason=reason,
            published_ns=now_ns,
        )

    def _event(self, name: str, t_ns: int, **detail: Any) -> Event:
        return Event(self._plan.robot, name, t_ns, detail)

    def _health(self, stream: _Stream, now_ns: int, state: str | None = None) -> Health:
        detail = self._detail(stream, now_ns)
        return Health(self._plan.robot, stream.name, state or _state(stream), now_ns, detail)

    def _detail(self, stream: _Stream, now_ns: int) -> dict[str, Any]:
        said, ages = stream.state, stream.ages.summary(now_ns)
        return {
            **(said.counters if said else {}),
            "modality": stream.modality.value,
            "epoch": stream.epoch,
            "why": said.why if said else "has not started yet",
            "rate_hz": said.rate_hz if said else 0.0,
            "wanted_rate_hz": said.wanted_rate_hz if said else 0.0,
            "published_hz": stream.ages.rate_hz(now_ns),
            "ledger": stream.ledger.accounts(),
            "age_ms": ages["age"],
            "stages_ms": {name: ages[name].get("p50") for name in STAGE_NAMES},
            "words": dict(stream.newest.words) if stream.newest else {},
            "last_end_ns": stream.newest.end_ns if stream.newest else 0,
        }


def _state(stream: _Stream) -> str:
    if stream.ended:
        return "stopped"
    return stream.state.state if stream.state else "opening"


def _ailment(stream: _Stream, now_ns: int) -> str:
    """Why a stream is not delivering; '' when it is."""
    newest = stream.newest
    if _state(stream) == "opening":
        return (stream.state.why if stream.state else "") or "opening"
    if newest is None:
        return "nothing published yet"
    silent_s = (now_ns - newest.published_ns) / 1e9
    allowed_s = max(2.0, LATE_FACTOR * stream.hop_s)
    return f"nothing published for {silent_s:.1f} s" if silent_s > allowed_s else ""
