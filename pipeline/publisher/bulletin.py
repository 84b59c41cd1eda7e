"""What a robot's readers are told besides its windows: health and events; and what HTTP is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bindstream.types import Event, Health
from pipeline.publisher import condition
from pipeline.publisher.robot_time import RobotTime
from pipeline.publisher.seen import Seen
from pipeline.publisher.stream import Stream


class Bulletin:
    """``now_ns`` is the host's time. ``labels``: what is in the way of words, '' where nothing is;
    ``refused`` counts messages of streams that could not be taken."""

    def __init__(self, robot: str, time: RobotTime) -> None:
        self._robot, self._time = robot, time
        self.labels = ""
        self.refused = 0

    def event(self, name: str, now_ns: int, **detail: Any) -> Event:
        """Something that happened now."""
        return Event(self._robot, name, self._time.now_ns(now_ns), detail)

    def relayed(self, name: str, t_ns: int, detail: dict[str, Any]) -> Event:
        """Something that happened to a stream, by its own word."""
        return Event(self._robot, name, t_ns, detail)

    def health(self, stream: Stream, now_ns: int, state: str | None = None) -> Health:
        """How a stream is now; it is remembered as told."""
        stream.told_ns = now_ns
        robot_ns = self._time.now_ns(now_ns)
        detail = condition.detail(stream, now_ns, robot_ns)
        detail |= {"labels": self.labels} if self.labels else {}
        state = state or stream.pulse.state
        stream.told = Health(self._robot, stream.name, state, robot_ns, detail)
        return stream.told

    def seen(self, streams: Iterable[Stream], scene: dict[str, int], now_ns: int) -> Seen:
        """How all this is, for other threads; cheap, for it holds what was told anyway."""
        held = list(streams)
        judged = [s for s in held if s.pulse.state not in ("paused", "ended")]
        return Seen(
            robot=self._robot,
            told=tuple(s.told for s in held if s.told),
            scene=scene,
            refused=self.refused,
            labels=self.labels,
            judged=len(judged),
            time=self._time.seen(now_ns),
            ailing={s.name: why for s in judged if (why := condition.ailment(s, now_ns))},
        )
