"""What a robot's publisher knows and says: accounts, order, scenes, health. Pure.

No socket, no clock: messages of the streams go in by ``hear``; the wire's messages come out,
ready to be sent. Which streams there are, they say themselves: one that says hello is taken in,
one that said goodbye and is not expected is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from bindstream.types import (
    Embedding,
    Event,
    Health,
    Reason,
    Scene,
    Tombstone,
)
from bindstream.wire import Message
from pipeline.clock import Timing
from pipeline.messages import (
    Bye,
    Grant,
    Happened,
    Hello,
    Opened,
    Progress,
    Resume,
    State,
    Upward,
)
from pipeline.outcomes import Outcomes
from pipeline.plan import LivePlan
from pipeline.robot_time import RobotTime
from pipeline.scene import KEPT
from pipeline.seen import Seen
from pipeline.spaces import Spaces
from pipeline.stream import Stream

MEMBER_S = 2.0
"""A member of a scene may be so much older than its hop, where nothing else is said."""
TELL_NS = 1_200_000_000
"""Of a stream that says nothing itself the publisher speaks, so often."""
FORGET_NS = 5_000_000_000
"""How long one that ended, and is not expected back, is still shown."""
OVERDUE = "it did not move for long while others were ahead: scenes go on without it"
SLEPT_NS = 1_000_000_000
"""Between two watches: longer, and it was the publisher itself that was stopped."""


class Publication:
    """One robot's streams, in their publisher.

    ``next_epoch`` gives a number that was never given before (see ``epochs``). ``life`` names
    this start of the publisher, for readers. ``now_ns`` everywhere is the host's time; ``time``
    makes the robot's of it.
    """

    def __init__(
        self,
        robot: str,
        epoch: int,
        next_epoch: Callable[[], int],
        life: str = "",
        timing: Timing | None = None,
    ) -> None:
        self._robot = robot
        self._life = life
        self._next_epoch = next_epoch
        self._live = LivePlan()
        self._streams: dict[str, Stream] = {}
        self.time = RobotTime(timing)
        kept = KEPT if self.time.is_live else None
        self._join = Spaces(robot, epoch, next_epoch, kept)
        self.outcomes = Outcomes(life, self.time, self._join.add)
        self._watched_ns: int | None = None
        self.refused = 0
        self.labels = ""

    def configure(self, live: LivePlan, now_ns: int) -> None:
        """From now on: who is expected, and how scenes are joined."""
        self._live = live
        for name in live.expect:
            if name not in self._streams:
                self._streams[name] = Stream(name, now_ns)
        self._join.configure(live.weights)
        for stream in self._streams.values():
            self._join_in(stream)

    def greet(self, hello: Hello, now_ns: int, offset_ns: int) -> tuple[Grant, list[Message]]:
        """A stream starts: a new epoch for it; what its last one left open is lost.

        Raises what ``next_epoch`` raises, and then nothing is changed but what health says of it:
        the stream asks again.
        """
        stream = self._streams.get(hello.stream) or Stream(hello.stream, now_ns)
        timing = self.time.meet(hello.about, now_ns - offset_ns)
        if hello.instance == stream.instance:
            return Grant(stream.epoch, offset_ns, self._life, timing), []
        try:
            epoch = self._next_epoch()
        except OSError as error:
            stream.refusal = f"asks to start, and cannot: {error}"
            raise
        said = [*self._hear_of(stream, now_ns)]
        said += self.outcomes.end(stream, stream.epoch, Reason.CRASH_LOST, now_ns)
        self._begin(stream, epoch, hello)
        said.append(self._event("stream_started", now_ns, stream=stream.name, epoch=epoch))
        return Grant(epoch, offset_ns, self._life, timing), said

    def is_stranger(self, message: Upward) -> bool:
        """Whether it comes from an epoch that only a predecessor of ours can have granted: what
        it says of windows counts for nothing until it resumed."""
        if isinstance(message, Hello | Happened):
            return False
        stream = self._streams.get(message.stream)
        return message.epoch > (stream.epoch if stream else 0)

    def hear(self, message: Upward, now_ns: int, *, overtaken: bool = False) -> list[Message]:
        """Take one message of a stream; return what readers are to be told.

        ``overtaken``: a newer vector of the same stream waits behind this one.
        """
        if isinstance(message, Resume) and message.stream not in self._streams:
            self._streams[message.stream] = Stream(message.stream, now_ns)
        stream = self._streams.get(message.stream)
        if stream is None:
            self.refused += not self.is_stranger(message)
            return []
        if self._outdated(stream, message):
            return []
        said: list[Message] = []
        of_windows_thread = Opened | State | Progress | Resume
        if isinstance(message, of_windows_thread):
            said += self._hear_of(stream, now_ns)
        of_window = Opened | Embedding | Tombstone | Progress
        if self.is_stranger(message) and isinstance(message, of_window):
            return said
        return said + self._take(stream, message, now_ns, overtaken)

    def _take(self, stream: Stream, message: Upward, now_ns: int, overtaken: bool) -> list[Message]:
        match message:
            case Opened():
                self.outcomes.open(stream, message, now_ns)
            case Embedding():
                return [*self.outcomes.encoded(stream, message, now_ns, overtaken=overtaken)]
            case Tombstone():
                return [*self.outcomes.dropped(stream, message, now_ns)]
            case State():
                stream.hear(message, now_ns)
                due = [] if self.time.is_live else self.advance(now_ns)  # scenes before its end
                return [*due, self._health(stream, now_ns)]
            case Progress():
                stream.progress_ns = message.t_ns
            case Happened():
                return [Event(self._robot, message.name, message.t_ns, message.detail)]
            case Resume():
                return self._resume(stream, message, now_ns)
            case Bye():
                said = self.outcomes.end(stream, message.epoch, Reason.SHUTDOWN, now_ns)
                stream.end(message.epoch, now_ns)
                return [*said, self._health(stream, now_ns)]
        return []

    def shift(self, step_ns: int) -> None:
        """The streams' clock is taken over: it is ``step_ns`` ahead of what was given so far."""
        for stream in self._streams.values():
            stream.shift(step_ns)
        if self._watched_ns is not None:
            self._watched_ns += step_ns

    def watch(self, now_ns: int) -> list[Message]:
        """Call it a few times a second: health of the streams that do not speak for themselves.

        One that is silent for ``SILENT_NS`` has failed.
        """
        slept = self._watched_ns is None or now_ns - self._watched_ns > SLEPT_NS
        self._watched_ns = now_ns
        said: list[Message] = self._forget(now_ns)
        for stream in self._streams.values():
            if slept:  # then it was not the streams that were away
                stream.heard_ns = now_ns
            if not stream.failed and stream.is_silent(now_ns):
                stream.failed, stream.told_ns = True, now_ns - TELL_NS
                why = stream.why(now_ns)[0]
                said.append(self._event("stream_failed", now_ns, stream=stream.name, why=why))
            if now_ns - stream.told_ns >= TELL_NS:
                said.append(self._health(stream, now_ns))
        return said

    def give_up(self, now_ns: int) -> list[Message]:
        """What is told of windows whose outcome got lost on its way."""
        return [*self.outcomes.give_up(self._streams.values(), now_ns)]

    def advance(self, now_ns: int) -> list[Message]:
        """Where streams tell the time: let it follow them; return the scenes that are due by it."""
        said: list[Message] = []
        for name in sorted(self.time.advance(self._streams.values(), now_ns)):
            said.append(self._event("stream_overdue", now_ns, stream=name, why=OVERDUE))
        hop_ns = round(self._live.scene_hop_s * 1e9)
        while (tick_ns := self.time.next_tick(self._join, hop_ns)) is not None:
            scenes = self.scenes(tick_ns, now_ns)
            self.time.ticked(tick_ns, joined=bool(scenes))
            said += scenes
        return said

    def scenes(self, tick_ns: int, now_ns: int) -> list[Scene]:
        """The scenes at a tick of the Unix grid: one of each space in which a stream has anything
        new enough."""
        scenes = self._join.tick(tick_ns, self.outcomes.asked.of_scene)
        published_ns = self.time.stamp_ns(now_ns, tick_ns)
        return [replace(s, published_ns=published_ns, life=self._life) for s in scenes]

    def all_ended(self) -> bool:
        """Whether every stream that ever started has said goodbye."""
        return all(stream.ended or not stream.epoch for stream in self._streams.values())

    def shut(self, now_ns: int) -> list[Message]:
        """The publisher stops: whatever is still open is dropped as ``shutdown``."""
        said: list[Message] = []
        for stream in self._streams.values():
            said += self.outcomes.end(stream, stream.epoch, Reason.SHUTDOWN, now_ns)
            said.append(self._health(stream, now_ns, "stopped"))
        return said

    def seen(self, now_ns: int) -> Seen:
        """How all this is, for other threads; cheap, for it holds what was told anyway."""
        judged = [s for s in self._streams.values() if s.state not in ("paused", "ended")]
        return Seen(
            robot=self._robot,
            told=tuple(s.told for s in self._streams.values() if s.told),
            scene=self._join.stats(),
            refused=self.refused,
            labels=self.labels,
            judged=len(judged),
            time=self.time.seen(now_ns),
            ailing={s.name: why for s in judged if (why := s.ailment(now_ns))},
        )

    # one stream -------------------------------------------------------------------------------

    def _begin(self, stream: Stream, epoch: int, m: Hello | Resume) -> None:
        stream.begin(epoch, m.instance, m.about)
        stream.told_ns = 0  # the next watch tells of it
        self._streams[stream.name] = stream
        self._join_in(stream)

    def _join_in(self, stream: Stream) -> None:
        """Scenes have room for it; for how long a vector counts follows from its hop."""
        if stream.about is not None:
            age_s = self._live.max_age_s or MEMBER_S + stream.hop_ns / 1e9
            self._join.meet(stream.name, stream.modality, round(age_s * 1e9))

    def _forget(self, now_ns: int) -> list[Message]:
        """Streams that ended, or never came, and that nobody expects any more."""
        gone = [
            s
            for s in self._streams.values()
            if s.name not in self._live.expect
            and (s.about is None or (s.ended and now_ns - s.heard_ns > FORGET_NS))
        ]
        for stream in gone:
            del self._streams[stream.name]
            self._join.leave(stream.name)
        return [self._event("stream_removed", now_ns, stream=stream.name) for stream in gone]

    def _outdated(self, stream: Stream, m: Upward) -> bool:
        """Whether it comes from an epoch that is over: a stream that drains beside its successor.

        Outcomes are left to the ledger, which knows what is open.
        """
        over = stream.epoch if stream.ended else stream.epoch - 1
        outdated = isinstance(m, Opened | State | Progress | Bye | Resume) and m.epoch <= over
        self.refused += outdated
        return outdated

    def _hear_of(self, stream: Stream, now_ns: int) -> list[Message]:
        """It lives; told, if it was thought dead."""
        silent_s = (now_ns - stream.heard_ns) / 1e9
        stream.heard_ns = now_ns
        if not stream.failed:
            return []
        stream.failed = False
        why = f"heard again after {silent_s:.1f} s"
        return [self._event("stream_back", now_ns, stream=stream.name, why=why)]

    def _resume(self, stream: Stream, m: Resume, now_ns: int) -> list[Message]:
        if m.epoch == stream.epoch:
            return []
        said = self.outcomes.end(stream, stream.epoch, Reason.CRASH_LOST, now_ns)
        self._begin(stream, m.epoch, m)
        self.time.take_over(m.timing)
        stream.ledger.adopt(m.epoch, m.next_seq)
        return [*said]

    def _event(self, name: str, now_ns: int, **detail: Any) -> Event:
        return Event(self._robot, name, self.time.now_ns(now_ns), detail)

    def _health(self, stream: Stream, now_ns: int, state: str | None = None) -> Health:
        stream.told_ns = now_ns
        robot_ns = self.time.now_ns(now_ns)
        detail = stream.detail(now_ns, robot_ns)
        detail |= {"labels": self.labels} if self.labels else {}
        health = Health(self._robot, stream.name, state or stream.state, robot_ns, detail)
        stream.told = health
        return health
