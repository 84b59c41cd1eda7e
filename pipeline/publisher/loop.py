"""What the publisher's one thread does, round by round: hear streams, tell readers, watch."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, TypeAlias

import zmq

from pipeline.clock import LEAD_NS
from pipeline.plan import LivePlan
from pipeline.publisher.hearing import Hearing
from pipeline.publisher.host_clock import HostClock
from pipeline.publisher.learning import Learning
from pipeline.publisher.publication import Publication
from pipeline.publisher.readers import Readers
from pipeline.publisher.seen import Seen
from pipeline.publisher.ticks import Ticks

FAREWELL_S = 4.0
WATCH_S = 0.25
ROUND_MS = 100
"""A round takes no longer where nothing comes."""
TELL_NS = LEAD_NS // 20
"""The streams are told at once when their robot's time has gone on by so much."""
News: TypeAlias = deque[tuple[str, str]]
"""Of other threads, to be told as events: name, and why."""


class Loop:
    """Whoever calls ``run`` owns the sockets. Other threads set ``told``, and read ``seen`` and
    ``beat_s``: when the last round began, by CLOCK_MONOTONIC."""

    def __init__(
        self,
        publication: Publication,
        hearing: Hearing,
        readers: Readers,
        clock: HostClock,
        learning: Learning,
        news: News,
    ) -> None:
        self._publication, self._hearing, self._readers = publication, hearing, readers
        self._clock, self._learning, self._news = clock, learning, news
        self._live_time = publication.time.is_live
        self.told = self._live = LivePlan()
        self.seen = Seen()
        self._ticks = Ticks(*_grid(self._live), clock.now_ns())
        self._streams_told_ns = 0
        self.beat_s = self._watched_s = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Until then; and a farewell."""
        poller = zmq.Poller()
        poller.register(self._hearing.socket, zmq.POLLIN)
        poller.register(self._readers.socket, zmq.POLLIN)
        self._obey(self.told)
        while not stop.is_set():
            self.beat_s = time.monotonic()
            if self.told is not self._live:
                self._obey(self.told)
            self._serve(dict(poller.poll(self._wait_ms())))
            if self.beat_s - self._watched_s >= WATCH_S:
                self._watch()
            if not self._live_time:
                self._advance(TELL_NS)
            elif (tick_ns := self._ticks.due(self._clock.now_ns())) is not None:
                self._readers.tell(self._publication.scenes.at(tick_ns, self._clock.now_ns()))
                self._ticks.done(self._clock.now_ns())
        self._farewell(poller)

    def _wait_ms(self) -> int:
        if not self._live_time:
            return ROUND_MS
        wait_ms = self._ticks.wait_ns(self._clock.now_ns()) // 1_000_000 + 1
        return max(0, min(ROUND_MS, wait_ms))

    def _obey(self, told: LivePlan) -> None:
        """Take over what was told while we ran."""
        before, self._live = self._live, told
        self._publication.configure(told, self._clock.now_ns())
        self._ticks = Ticks(*_grid(told), self._clock.now_ns())
        if told.questions != before.questions:
            self._learning.learn(told.questions)

    def _serve(self, ready: dict[Any, int]) -> None:
        if self._hearing.socket in ready:
            offset_ns = self._clock.offset_ns
            for said in self._hearing.take():
                self._readers.tell(said)
            self._hearing.settle()
            if self._clock.offset_ns != offset_ns:
                self._ticks.start(self._clock.now_ns())
        if self._readers.socket in ready:
            self._readers.listen()

    def _advance(self, told_every_ns: int) -> None:
        """Streams tell the time: the scenes that are due by it, and to the streams what it is."""
        self._readers.tell(self._publication.advance(self._clock.now_ns()))
        robot_ns = self._publication.time.watermark_ns
        if robot_ns - self._streams_told_ns >= told_every_ns:
            self._streams_told_ns = robot_ns
            self._hearing.tell_time(robot_ns)

    def _watch(self) -> None:
        """What does not hang on scenes: silent streams, lost outcomes, news of other threads."""
        self._watched_s, now_ns = self.beat_s, self._clock.now_ns()
        self._take_news(now_ns)
        self._readers.tell(self._publication.give_up(now_ns))
        self._hearing.settle()
        self._hearing.stand()
        self._readers.tell(self._publication.watch(now_ns))
        if not self._live_time:
            self._advance(1)
        elif (step := self._clock.wall_step()) is not None:
            event = self._publication.bulletin.event("clock_step", now_ns, **step)
            self._readers.tell([event])
        self.seen = self._publication.seen(now_ns)

    def _take_news(self, now_ns: int) -> None:
        bulletin = self._publication.bulletin
        for said in self._learning.take():
            bulletin.labels = said if isinstance(said, str) else ""
            if isinstance(said, str):
                self._readers.tell([bulletin.event("labels_failed", now_ns, why=said)])
            else:
                self._publication.asked.ask(*said)
        while self._news:
            name, why = self._news.popleft()
            self._readers.tell([bulletin.event(name, now_ns, why=why)])

    def _farewell(self, poller: zmq.Poller) -> None:
        """The streams drain at the same time as we stop: hear them out first."""
        until_s = time.monotonic() + FAREWELL_S
        while time.monotonic() < until_s and not self._publication.roster.all_ended():
            self._serve(dict(poller.poll(50)))
        self._readers.tell(self._publication.shut(self._clock.now_ns()))
        self._hearing.settle()


def _grid(live: LivePlan) -> tuple[int, int]:
    return round(live.scene_hop_s * 1e9), round(live.scene_delay_s * 1e9)
