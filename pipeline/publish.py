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
from bindstream.types import Embedding, Event
from bindstream.wire import Message
from pipeline import take_over
from pipeline.clock import LEAD_NS
from pipeline.epochs import Epochs, state_dir
from pipeline.inbox import Inbox, newest_vectors
from pipeline.learning import Learning
from pipeline.link import address
from pipeline.messages import Hello, Introduce, Now, Resume, State, Upward
from pipeline.plan import LivePlan, RobotPlan
from pipeline.publication import Publication
from pipeline.seen import Seen

_log = logging.getLogger("ray.serve")
CLOCK_STEP_NS = 100_000_000
FAREWELL_S = 4.0
REJOIN_S = 1.0
"""Readers of a predecessor need so long to reconnect: only then are its streams asked what it left
open, or nobody would hear the answer."""
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
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._life = host.boot() + uuid.uuid4().hex[:8]
        self._lock = take_over.robot_lock(plan.robot)
        self._context = zmq.Context()
        try:
            self._epochs = Epochs(state_dir() / f"{plan.robot}.epochs.json")
            epoch, next_epoch = self._epochs.next(), self._epochs.next
            name, timing = plan.robot, plan.timing
            self._publication = Publication(name, epoch, next_epoch, self._life, timing)
            self._live_time = self._publication.time.is_live
            self._inbox = Inbox(
                self._context, address(name), self._now_ns, self._refuse, gathers=self._live_time
            )
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
        self._asked: set[bytes] = set()
        self._step_ns = 0
        self._tick_ns = self._told_ns = 0
        self._beat_s = self._watched_s = time.monotonic()
        self._born_s = time.monotonic()
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

    def _now_ns(self) -> int:
        return time.monotonic_ns() + self._offset_ns

    # the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._inbox.socket, zmq.POLLIN)
        poller.register(self._readers, zmq.POLLIN)
        self._obey(self._told)
        while not self._stop.is_set():
            self._beat_s = time.monotonic()
            if self._told is not self._live:
                self._obey(self._told)
            period_ns, delay_ns = self._period_ns(), round(self._live.scene_delay_s * 1e9)
            wait_ms = (self._tick_ns + delay_ns - self._now_ns()) // 1_000_000 + 1
            wait_ms = wait_ms if self._live_time else 100
            self._serve(dict(poller.poll(max(0, min(100, wait_ms)))))
            if self._beat_s - self._watched_s >= WATCH_S:
                self._watch()
            if not self._live_time:
                self._advance(TELL_NS)
            elif self._now_ns() >= self._tick_ns + delay_ns:
                self._tick(self._tick_ns)
                next_ns = self._now_ns() // period_ns * period_ns
                self._tick_ns = max(self._tick_ns + period_ns, next_ns)
        self._farewell(poller)

    def _advance(self, told_every_ns: int) -> None:
        """Streams tell the time: the scenes that are due by it, and to the streams what it is."""
        self._say(self._publication.advance(self._now_ns()))
        robot_ns = self._publication.time.watermark_ns
        if robot_ns - self._told_ns >= told_every_ns:
            self._told_ns = robot_ns
            self._inbox.tell_all(Now(robot_ns))

    def _set_tick(self) -> None:
        """The next scene, on the Unix grid of the clock as it is now."""
        period_ns = self._period_ns()
        self._tick_ns = (self._now_ns() // period_ns + 1) * period_ns

    def _period_ns(self) -> int:
        return round(self._live.scene_hop_s * 1e9)

    def _obey(self, told: LivePlan) -> None:
        """Take over what was told while we ran."""
        before, self._live = self._live, told
        self._publication.configure(told, self._now_ns())
        self._set_tick()
        if told.questions != before.questions:
            self._learning.learn(told.questions)

    def _serve(self, ready: dict[Any, int]) -> None:
        if self._inbox.socket in ready:
            self._hear_all()
        if self._readers in ready:
            self._readers.recv()  # a subscription; nothing hangs on it

    def _hear_all(self) -> None:
        """All that waits: of a backlog the newest vector of each stream wins."""
        heard = self._inbox.take()
        newest = newest_vectors(heard)
        for sender, m in heard:
            overtaken = isinstance(m, Embedding) and (m.epoch, m.seq) < newest[m.stream]
            self._hear(sender, m, overtaken)
        self._inbox.settle(self._publication.outcomes.settled())

    def _hear(self, sender: bytes, message: Upward, overtaken: bool) -> None:
        try:
            said = self._answer(sender, message, overtaken)
        except Exception as error:  # one message, or a full disk, does not silence the robot
            self._refuse(error)
            return
        self._say(said)

    def _refuse(self, error: Exception) -> None:
        self._publication.refused += 1
        what = f"{type(error).__name__}: {error}"
        _log.warning("robot '%s': a stream's message was refused: %s", self._plan.robot, what)

    def _answer(self, sender: bytes, message: Upward, overtaken: bool) -> list[Message]:
        publication = self._publication
        if isinstance(message, Hello):
            if not self._live_time and time.monotonic() - self._born_s < REJOIN_S:
                return []  # readers who wait are to see the first window: it asks again
            grant, said = publication.greet(message, self._now_ns(), self._offset_ns)
            self._inbox.know(message.stream, sender)
            self._inbox.reply(sender, grant)
            return said
        if publication.is_stranger(message):
            self._meet(sender, message)
        return publication.hear(message, self._now_ns(), overtaken=overtaken)

    def _meet(self, sender: bytes, message: Upward) -> None:
        """A stream older than this restart of ours: keep its time, and ask what it left open."""
        if isinstance(message, State | Resume):
            self._take_clock(message.offset_ns)
        if isinstance(message, Resume):
            self._inbox.know(message.stream, sender)
        elif sender not in self._asked and time.monotonic() - self._born_s > REJOIN_S:
            self._asked.add(sender)
            self._inbox.reply(sender, Introduce(self._life))

    def _take_clock(self, offset_ns: int) -> None:
        step_ns = offset_ns - self._offset_ns
        if step_ns:
            self._offset_ns = offset_ns
            self._publication.shift(step_ns)
            self._set_tick()

    def _say(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if self._live_time:
                frames = wire.encode(message, self._plan.dtype, self._offset_ns)
            else:  # which has nothing to do with anybody's clock
                frames = wire.encode(message, self._plan.dtype, time="streams")
            self._readers.send_multipart(frames)

    def _watch(self) -> None:
        """What does not hang on scenes: silent streams, lost outcomes, news of other threads."""
        self._watched_s, now_ns = self._beat_s, self._now_ns()
        if (learnt := self._learning.take()) is not None:
            self._publication.outcomes.asked.ask(*learnt)
            self._publication.labels = ""
        while self._news:
            name, why = self._news.popleft()
            if name == "labels_failed":
                self._publication.labels = why
            robot_ns = self._publication.time.now_ns(now_ns)
            self._say([Event(self._plan.robot, name, robot_ns, {"why": why})])
        self._say(self._publication.give_up(now_ns))
        self._inbox.settle(self._publication.outcomes.settled())
        self._stand()
        self._say(self._publication.watch(now_ns))
        if self._live_time:
            self._watch_clock(now_ns)
        else:
            self._advance(1)
        self._seen = self._publication.seen(now_ns)

    def _stand(self) -> None:
        try:
            self._inbox.stand()
        except (OSError, zmq.ZMQError) as error:  # those that are connected go on
            _log.warning("robot '%s': no new stream can reach us: %s", self._plan.robot, error)

    def _tick(self, tick_ns: int) -> None:
        scene = self._publication.scene(tick_ns, self._now_ns())
        if scene is not None:
            self._say([scene])

    def _watch_clock(self, now_ns: int) -> None:
        """Readers compare our stamps with their wall clock: tell them when it was set."""
        before_ns, wall_ns, after_ns = self._now_ns(), time.time_ns(), self._now_ns()
        step_ns = wall_ns - before_ns
        read_at_once = after_ns - before_ns < CLOCK_STEP_NS // 10  # else a busy host slept between
        if read_at_once and abs(step_ns - self._step_ns) > CLOCK_STEP_NS:
            detail = {"step_ms": (step_ns - self._step_ns) / 1e6, "total_ms": step_ns / 1e6}
            self._step_ns = step_ns
            self._say([Event(self._plan.robot, "clock_step", now_ns, detail)])

    def _farewell(self, poller: zmq.Poller) -> None:
        """The streams drain at the same time as we stop: hear them out first."""
        until_s = time.monotonic() + FAREWELL_S
        while time.monotonic() < until_s and not self._publication.all_ended():
            self._serve(dict(poller.poll(50)))
        self._say(self._publication.shut(self._now_ns()))
        self._inbox.settle(self._publication.outcomes.settled())

    # threads that may wait --------------------------------------------------------------------

    def _keep_epochs(self) -> None:
        """Write numbers ahead, so that a stream's start never waits for the disk."""
        while not self._stop.wait(KEEP_S):
            try:
                self._epochs.reserve()
            except OSError as error:
                _log.warning("robot '%s': epochs: %s; trying again", self._plan.robot, error)
