"""What a robot's publisher knows and says: accounts, order, scenes, health. Pure.

No socket, no clock: messages of the streams go in by ``hear``; the wire's messages come out,
ready to be sent. Which streams there are, they say themselves: one that says hello is taken in,
one that said goodbye and is not expected is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable

from bindstream.types import Embedding, Reason, Tombstone
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
from pipeline.plan import LivePlan
from pipeline.publisher import condition
from pipeline.publisher.bulletin import Bulletin
from pipeline.publisher.outcomes import Outcomes
from pipeline.publisher.robot_time import RobotTime
from pipeline.publisher.roster import Roster, is_outdated
from pipeline.publisher.scene import KEPT
from pipeline.publisher.scenes import Scenes
from pipeline.publisher.seen import Seen
from pipeline.publisher.spaces import Spaces
from pipeline.publisher.stream import Stream
from pipeline.publisher.words import Asked

TELL_NS = 1_200_000_000
"""Of a stream that says nothing itself the publisher speaks, so often."""
OVERDUE = "it did not move for long while others were ahead: scenes go on without it"


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
        self._life = life
        self._next_epoch = next_epoch
        self.time = RobotTime(timing)
        self.roster = Roster()
        self.bulletin = Bulletin(robot, self.time)
        self.asked = Asked()
        spaces = Spaces(robot, epoch, next_epoch, KEPT if self.time.is_live else None)
        self.scenes = Scenes(spaces, self.time, self.asked.of_scene, life)
        self.outcomes = Outcomes(life, self.time, self.asked, self.scenes.add)

    def configure(self, live: LivePlan, now_ns: int) -> None:
        """From now on: who is expected, and how scenes are joined."""
        self.roster.expect(live.expect, now_ns)
        self.scenes.configure(live, self.roster)

    def greet(self, hello: Hello, now_ns: int, offset_ns: int) -> tuple[Grant, list[Message]]:
        """A stream starts: a new epoch for it; what its last one left open is lost.

        Raises what ``next_epoch`` raises, and then nothing is changed but what health says of it:
        the stream asks again.
        """
        stream = self.roster.get(hello.stream) or Stream(hello.stream, now_ns)
        timing = self.time.meet(hello.about, now_ns - offset_ns)
        if hello.instance == stream.instance:
            return Grant(stream.epoch, offset_ns, self._life, timing), []
        try:
            epoch = self._next_epoch()
        except OSError as error:
            stream.pulse.refusal = f"asks to start, and cannot: {error}"
            raise
        said = [*self._hear_of(stream, now_ns)]
        said += self.outcomes.end(stream, stream.epoch, Reason.CRASH_LOST, now_ns)
        self.roster.begin(stream, epoch, hello)
        self.scenes.meet(stream)
        event = self.bulletin.event("stream_started", now_ns, stream=stream.name, epoch=epoch)
        return Grant(epoch, offset_ns, self._life, timing), [*said, event]

    def hear(self, message: Upward, now_ns: int, *, overtaken: bool = False) -> list[Message]:
        """Take one message of a stream; return what readers are to be told.

        ``overtaken``: a newer vector of the same stream waits behind this one.
        """
        stream, is_stranger = self.roster.get(message.stream), self.roster.is_stranger(message)
        if stream is None and isinstance(message, Resume):
            stream = Stream(message.stream, now_ns)
        if stream is None or is_outdated(stream, message):
            self.bulletin.refused += stream is not None or not is_stranger
            return []
        said: list[Message] = []
        of_windows_thread = Opened | State | Progress | Resume
        if isinstance(message, of_windows_thread):
            said += self._hear_of(stream, now_ns)
        of_window = Opened | Embedding | Tombstone | Progress
        if is_stranger and isinstance(message, of_window):
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
                stream.pulse.hear(message, now_ns)
                due = [] if self.time.is_live else self.advance(now_ns)  # scenes before its end
                return [*due, self.bulletin.health(stream, now_ns)]
            case Progress():
                stream.progress_ns = message.t_ns
            case Happened():
                return [self.bulletin.relayed(message.name, message.t_ns, message.detail)]
            case Resume():
                return self._resume(stream, message, now_ns)
            case Bye():
                said = self.outcomes.end(stream, message.epoch, Reason.SHUTDOWN, now_ns)
                stream.end(message.epoch, now_ns)
                return [*said, self.bulletin.health(stream, now_ns)]
        return []

    def watch(self, now_ns: int) -> list[Message]:
        """Call it a few times a second: health of the streams that do not speak for themselves.

        One that is silent for ``SILENT_NS`` has failed.
        """
        said: list[Message] = []
        for stream in self.roster.forget(now_ns):
            self.scenes.leave(stream)
            said.append(self.bulletin.event("stream_removed", now_ns, stream=stream.name))
        self.roster.wake(now_ns)
        for stream in self.roster:
            if stream.pulse.stops(now_ns):
                stream.told_ns = now_ns - TELL_NS
                why = condition.why(stream, now_ns)[0]
                said.append(
                    self.bulletin.event("stream_failed", now_ns, stream=stream.name, why=why)
                )
            if now_ns - stream.told_ns >= TELL_NS:
                said.append(self.bulletin.health(stream, now_ns))
        return said

    def give_up(self, now_ns: int) -> list[Message]:
        """What is told of windows whose outcome got lost on its way."""
        return [*self.outcomes.give_up(self.roster, now_ns)]

    def advance(self, now_ns: int) -> list[Message]:
        """Where streams tell the time: let it follow them; return the scenes that are due by it."""
        overdue = sorted(self.time.advance(self.roster, now_ns))
        event = self.bulletin.event
        events = [event("stream_overdue", now_ns, stream=name, why=OVERDUE) for name in overdue]
        return [*events, *self.scenes.due(now_ns)]

    def shut(self, now_ns: int) -> list[Message]:
        """The publisher stops: whatever is still open is dropped as ``shutdown``."""
        said: list[Message] = []
        for stream in self.roster:
            said += self.outcomes.end(stream, stream.epoch, Reason.SHUTDOWN, now_ns)
            said.append(self.bulletin.health(stream, now_ns, "stopped"))
        return said

    def seen(self, now_ns: int) -> Seen:
        """How all this is, for other threads."""
        return self.bulletin.seen(self.roster, self.scenes.stats(), now_ns)

    def _hear_of(self, stream: Stream, now_ns: int) -> list[Message]:
        """It lives; told, if it was thought dead."""
        silent_s = stream.pulse.beat(now_ns)
        if silent_s is None:
            return []
        why = f"heard again after {silent_s:.1f} s"
        return [self.bulletin.event("stream_back", now_ns, stream=stream.name, why=why)]

    def _resume(self, stream: Stream, m: Resume, now_ns: int) -> list[Message]:
        if m.epoch == stream.epoch:
            return []
        said = self.outcomes.end(stream, stream.epoch, Reason.CRASH_LOST, now_ns)
        self.roster.begin(stream, m.epoch, m)
        self.scenes.meet(stream)
        self.time.take_over(m.timing)
        stream.ledger.adopt(m.epoch, m.next_seq)
        return [*said]
