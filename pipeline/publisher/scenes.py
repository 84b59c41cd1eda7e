"""A robot's scenes: who may be in them, when they are due, and how they are told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from bindstream.types import Embedding, Scene
from pipeline.plan import LivePlan
from pipeline.publisher.robot_time import RobotTime
from pipeline.publisher.scene import Present
from pipeline.publisher.spaces import Spaces
from pipeline.publisher.stream import Stream

MEMBER_S = 2.0
"""A member of a scene may be so much older than its hop, where nothing else is said."""


class Scenes:
    """Of each space that its streams are in. ``words`` is asked of the members of each;
    ``life`` names this start of the publisher. ``now_ns`` is the host's time."""

    def __init__(
        self,
        spaces: Spaces,
        time: RobotTime,
        words: Callable[[str, Present], dict[str, str]],
        life: str = "",
    ) -> None:
        self._spaces, self._time, self._words, self._life = spaces, time, words, life
        self._live = LivePlan()

    def configure(self, live: LivePlan, streams: Iterable[Stream]) -> None:
        """From now on: how often, and of what weight."""
        self._live = live
        self._spaces.configure(live.weights)
        for stream in streams:
            self.meet(stream)

    def meet(self, stream: Stream) -> None:
        """There is room for it, once it told of itself; for how long a vector counts follows from
        its hop."""
        if stream.about is not None:
            age_s = self._live.max_age_s or MEMBER_S + stream.hop_ns / 1e9
            self._spaces.meet(stream.name, stream.modality, round(age_s * 1e9))

    def leave(self, stream: Stream) -> None:
        """It is in none any more."""
        self._spaces.leave(stream.name)

    def add(self, embedding: Embedding) -> bool:
        """It was published: see Spaces."""
        return self._spaces.add(embedding)

    def at(self, tick_ns: int, now_ns: int) -> list[Scene]:
        """The scenes at a tick of the Unix grid: one of each space in which a stream has anything
        new enough."""
        scenes = self._spaces.tick(tick_ns, self._words)
        published_ns = self._time.stamp_ns(now_ns, tick_ns)
        return [replace(s, published_ns=published_ns, life=self._life) for s in scenes]

    def due(self, now_ns: int) -> list[Scene]:
        """Where streams tell the time: those that are due by it and were not made yet."""
        hop_ns = round(self._live.scene_hop_s * 1e9)
        due: list[Scene] = []
        while (tick_ns := self._time.next_tick(self._spaces, hop_ns)) is not None:
            scenes = self.at(tick_ns, now_ns)
            self._time.ticked(tick_ns, joined=bool(scenes))
            due += scenes
        return due

    def stats(self) -> dict[str, int]:
        """What could not be joined: see Spaces."""
        return self._spaces.stats()
