"""The Serve shell of the publisher, one per robot: sockets, clock and threads.

One thread owns every socket. In: the streams' ROUTER, over ipc. Out: XPUB for all readers. What
waits for a disk or an encoder has threads of its own.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from bindstream import host, wire
from bindstream.types import Event
from bindstream.wire import Message
from pipeline import take_over
from pipeline.clock import LEAD_NS
from pipeline.epochs import Epochs, state_dir
from pipeline.hearing import Hearing
from pipeline.host_clock import HostClock
from pipeline.learning import Learning
from pipeline.plan import LivePlan, RobotPlan
from pipeline.publication import Publication
from pipeline.seen import Seen

_log = logging.getLogger("ray.serve")
FAREWELL_S = 4.0
WATCH_S = 0.25
TELL_NS = LEAD_NS // 20
"""The streams are told at once when their robot's time has gone on by so much."""
KEEP_S = 1.0
HUNG_S = 20.0


class Publish:
    """A Serve deployment (``deploy.app`` makes it one).

    ``speaker`` is the handle of the encoder that turns labels into vectors, once. ``read_live``
    turns what Serve hands to ``reconfigure`` into a LivePlan, or raises what is wrong with it.
    """

    def __init__(self, plan: RobotPlan, speaker: Any, read_live: Callable[[Any], LivePlan]) -> None:
        self._closed = True  # until it all stands: __del__ comes even when a line below fails
        self._plan = plan
        self._clock = HostClock()
        self._life = host.boot() + uuid.uuid4().hex[:8]
        self._lock = take_over.robot_lock(plan.robot)
        self._context = zmq.Context()
        try:
            self._epochs = Epochs(state_dir() / f"{plan.robot}.epochs.json")
            epoch, next_epoch = self._epochs.next(), self._epochs.next
            name, timing = plan.robot, plan.timing
            self._publication = Publication(name, epoch, next_epoch, self._life, timing)
            self._live_time = self._publication.time.is_live
            self._hearing = Hearing(self._context, name, self._publication, self._clock, self._life)
            self._readers = take_over.readers(self._context, plan.endpoint)
        except BaseException:
            self._context.destroy(linger=0)
            self._lock.close()
            raise
        self._stop = threading.Event()
        self._read_live = read_live
        self._live, self._told = LivePlan(), LivePlan()
        self._news: deque[tuple[str, str]] = deque(maxlen=100)
        self._learning = Learning(speaker, lambda why: self._news.append(("labels_failed", why)))
        self._tick_ns = self._told_ns = 0
        self._beat_s = self._watched_s = time.monotonic()
        self._seen = Seen()
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)
        self._thread.start()
        self._closed = False
        threading.Thread(target=self._keep_epochs, name="epochs", daemon=True).start()

    def reconfigure(self, user_config: Any) -> None:
        """Serve calls it at the start, and for each change: nothing restarts. What is wrong is
        told as an event, and the old stays in force."""
        try:
            self._told = self._read_live(user_config)
        except Exception as error:  # Serve would restart us for it
            why = " ".join(str(error).split())
            _log.error("robot '%s': user_config: %s", self._plan.robot, why)
            self._news.append(("config_refused", why))

    def check_health(self) -> None:
        """Raise when the thread that owns the sockets is dead or hangs."""
        if self._stop.is_set():
            return
        if not self._thread.is_alive():
            raise RuntimeError(f"robot '{self._plan.robot}': the publisher's thread is dead")
        still_s = time.monotonic() - self._beat_s
        if still_s > HUNG_S:
            raise RuntimeError(
                f"robot '{self._plan.robot}': the publisher's thread has hung for {still_s:.0f} s"
            )

    def status(self) -> dict[str, Any]:
        """Of each stream what readers were told last, about a second ago at most."""
        return self._seen.status()

    def health(self) -> dict[str, Any]:
        """ok, degraded or down; at most a quarter of a second old."""
        return self._seen.health()

    def __del__(self) -> None:
        """Serve's stop hook: hear the streams out, close the accounts, release the address."""
        self.close()

    def close(self) -> None:
        """Returns once every reader was told, or after ``FAREWELL_S``."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._learning.stop()
        self._thread.join(FAREWELL_S + 1)
        self._context.destroy(linger=500)
        self._lock.close()

    # the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._hearing.socket, zmq.POLLIN)
        poller.register(self._readers, zmq.POLLIN)
        self._obey(self._told)
        while not self._stop.is_set():
            self._beat_s = time.monotonic()
            if self._told is not self._live:
                self._obey(self._told)
            period_ns, delay_ns = self._period_ns(), round(self._live.scene_delay_s * 1e9)
            wait_ms = (self._tick_ns + delay_ns - self._clock.now_ns()) // 1_000_000 + 1
            wait_ms = wait_ms if self._live_time else 100
            self._serve(dict(poller.poll(max(0, min(100, wait_ms)))))
            if self._beat_s - self._watched_s >= WATCH_S:
                self._watch()
            if not self._live_time:
                self._advance(TELL_NS)
            elif self._clock.now_ns() >= self._tick_ns + delay_ns:
                self._tick(self._tick_ns)
                next_ns = self._clock.now_ns() // period_ns * period_ns
                self._tick_ns = max(self._tick_ns + period_ns, next_ns)
        self._farewell(poller)

    def _advance(self, told_every_ns: int) -> None:
        """Streams tell the time: the scenes that are due by it, and to the streams what it is."""
        self._say(self._publication.advance(self._clock.now_ns()))
        robot_ns = self._publication.time.watermark_ns
        if robot_ns - self._told_ns >= told_every_ns:
            self._told_ns = robot_ns
            self._hearing.tell_time(robot_ns)

    def _set_tick(self) -> None:
        """The next scene, on the Unix grid of the clock as it is now."""
        period_ns = self._period_ns()
        self._tick_ns = (self._clock.now_ns() // period_ns + 1) * period_ns

    def _period_ns(self) -> int:
        return round(self._live.scene_hop_s * 1e9)

    def _obey(self, told: LivePlan) -> None:
        """Take over what was told while we ran."""
        before, self._live = self._live, told
        self._publication.configure(told, self._clock.now_ns())
        self._set_tick()
        if told.questions != before.questions:
            self._learning.learn(told.questions)

    def _serve(self, ready: dict[Any, int]) -> None:
        if self._hearing.socket in ready:
            offset_ns = self._clock.offset_ns
            for said in self._hearing.take():
                self._say(said)
            self._hearing.settle()
            if self._clock.offset_ns != offset_ns:
                self._set_tick()
        if self._readers in ready:
            self._readers.recv()  # a subscription; nothing hangs on it

    def _say(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if self._live_time:
                frames = wire.encode(message, self._plan.dtype, self._clock.offset_ns)
            else:  # which has nothing to do with anybody's clock
                frames = wire.encode(message, self._plan.dtype, time="streams")
            self._readers.send_multipart(frames)

    def _watch(self) -> None:
        """What does not hang on scenes: silent streams, lost outcomes, news of other threads."""
        self._watched_s, now_ns = self._beat_s, self._clock.now_ns()
        if (learnt := self._learning.take()) is not None:
            self._publication.asked.ask(*learnt)
            self._publication.bulletin.labels = ""
        while self._news:
            name, why = self._news.popleft()
            if name == "labels_failed":
                self._publication.bulletin.labels = why
            robot_ns = self._publication.time.now_ns(now_ns)
            self._say([Event(self._plan.robot, name, robot_ns, {"why": why})])
        self._say(self._publication.give_up(now_ns))
        self._hearing.settle()
        self._hearing.stand()
        self._say(self._publication.watch(now_ns))
        if not self._live_time:
            self._advance(1)
        elif (step := self._clock.wall_step()) is not None:
            self._say([Event(self._plan.robot, "clock_step", now_ns, step)])
        self._seen = self._publication.seen(now_ns)

    def _tick(self, tick_ns: int) -> None:
        self._say(self._publication.scenes.at(tick_ns, self._clock.now_ns()))

    def _farewell(self, poller: zmq.Poller) -> None:
        """The streams drain at the same time as we stop: hear them out first."""
        until_s = time.monotonic() + FAREWELL_S
        while time.monotonic() < until_s and not self._publication.roster.all_ended():
            self._serve(dict(poller.poll(50)))
        self._say(self._publication.shut(self._clock.now_ns()))
        self._hearing.settle()

    # threads that may wait --------------------------------------------------------------------

    def _keep_epochs(self) -> None:
        """Write numbers ahead, so that a stream's start never waits for the disk."""
        while not self._stop.wait(KEEP_S):
            try:
                self._epochs.reserve()
            except OSError as error:
                _log.warning("robot '%s': epochs: %s; trying again", self._plan.robot, error)
