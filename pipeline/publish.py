"""The Serve shell of the publisher, one per robot: sockets, clock and threads.

One thread owns every socket. In: the streams' ROUTER, over ipc. Out: XPUB for all readers.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
import zmq

from bindstream import wire
from bindstream.types import Event, Vector
from bindstream.wire import Message
from pipeline.direct import direct
from pipeline.epochs import Epochs, state_dir
from pipeline.labels import question
from pipeline.link import Hello, State, Upward, address, decode_upward, grant_bytes, lock_path
from pipeline.plan import PublishPlan
from pipeline.publication import Publication
from pipeline.words import Question

_log = logging.getLogger("ray.serve")
CLOCK_STEP_NS = 100_000_000
TAKE_OVER_S = 10.0
"""How long a predecessor may take to let go of the address before the replica gives up."""
FAREWELL_S = 4.0
SUBSCRIBER_BACKLOG = 1000
LABELS_TIMEOUT_S = 60.0
LABELS_RETRY_S = 2.0
LABELS_AT_ONCE = 16


class Publish:
    """A Serve deployment (``deploy.app`` makes it one).

    ``speaker`` is the handle of the encoder that turns labels into vectors, once.
    """

    def __init__(self, plan: PublishPlan, speaker: Any) -> None:
        self._closed = True  # until it all stands: __del__ comes even when a line below fails
        self._plan = plan
        self._speaker = direct(speaker)
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._lock = _take_over(plan.robot)
        self._context = zmq.Context()
        try:
            epochs = Epochs(state_dir() / f"{plan.robot}.epochs.json")
            self._publication = Publication(plan, epochs.next(), epochs.next)
            self._streams = self._context.socket(zmq.ROUTER)
            self._streams.bind(address(plan.robot))
            self._readers = _bind_readers(self._context, plan.endpoint)
        except BaseException:
            self._context.destroy(linger=0)
            self._lock.close()
            raise
        self._stop = threading.Event()
        self._learnt: tuple[list[Question], str] | None = None
        self._step_ns = 0
        self._snapshot: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)
        self._thread.start()
        self._closed = False
        if plan.questions:
            threading.Thread(target=self._learn_labels, name="labels", daemon=True).start()

    def check_health(self) -> None:
        """Raise when the thread that owns the sockets is dead."""
        if not self._thread.is_alive() and not self._stop.is_set():
            raise RuntimeError(f"robot '{self._plan.robot}': the publisher's thread is dead")

    def status(self) -> dict[str, Any]:
        """The newest full status; at most a second old."""
        return dict(self._snapshot.get("status", {}))

    def health(self) -> dict[str, Any]:
        """ok, degraded or down; at most half a second old."""
        return dict(self._snapshot.get("health", {"status": "down", "streams": {}}))

    def __del__(self) -> None:
        """Serve's stop hook: hear the streams out, close the accounts, release the address."""
        self.close()

    def close(self) -> None:
        """Returns once every reader was told, or after ``FAREWELL_S``."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._thread.join(FAREWELL_S + 1)
        self._context.destroy(linger=500)
        self._lock.close()

    def _now_ns(self) -> int:
        return time.monotonic_ns() + self._offset_ns

    # the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        plan = self._plan
        poller = zmq.Poller()
        poller.register(self._streams, zmq.POLLIN)
        poller.register(self._readers, zmq.POLLIN)
        period_ns, delay_ns = round(plan.scene_hop_s * 1e9), round(plan.scene_delay_s * 1e9)
        tick_ns = (self._now_ns() // period_ns + 1) * period_ns
        while not self._stop.is_set():
            wait_ms = max(0, min(100, (tick_ns + delay_ns - self._now_ns()) // 1_000_000 + 1))
            self._serve(dict(poller.poll(wait_ms)))
            if self._now_ns() >= tick_ns + delay_ns:
                self._tick(tick_ns)
                tick_ns = max(tick_ns + period_ns, self._now_ns() // period_ns * period_ns)
        self._farewell(poller)

    def _serve(self, ready: dict[Any, int]) -> None:
        if self._streams in ready:
            self._hear_all()
        if self._readers in ready:
            self._readers.recv()  # a subscription; nothing hangs on it

    def _hear_all(self) -> None:
        """Everything that waits, so that one busy stream cannot starve the scene clock."""
        for _ in range(256):
            try:
                sender, *parts = self._streams.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._hear(sender, parts)

    def _hear(self, sender: bytes, parts: list[bytes]) -> None:
        try:
            (raw,) = parts
            said = self._answer(sender, decode_upward(raw))
        except Exception as error:  # one message, or a full disk, does not silence the robot
            self._publication.refused += 1
            what = f"{type(error).__name__}: {error}"
            _log.warning("robot '%s': a stream's message was refused: %s", self._plan.robot, what)
            return
        self._say(said)

    def _answer(self, sender: bytes, message: Upward) -> list[Message]:
        if isinstance(message, State):  # of a stream older than this restart of ours: keep its time
            self._offset_ns = message.offset_ns
        if not isinstance(message, Hello):
            return self._publication.hear(message, self._now_ns())
        grant, said = self._publication.greet(message, self._now_ns(), self._offset_ns)
        if grant is not None:
            self._streams.send_multipart([sender, grant_bytes(grant)])
        return said

    def _say(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._readers.send_multipart(wire.encode(message, self._plan.dtype))

    def _tick(self, tick_ns: int) -> None:
        now_ns = self._now_ns()
        if self._learnt is not None:
            self._publication.ask(*self._learnt)
            self._learnt = None
        self._say(self._publication.give_up(now_ns))
        scene = self._publication.scene(tick_ns, now_ns)
        if scene is not None:
            self._say([scene])
        self._watch_clock(now_ns)
        publication = self._publication
        self._snapshot = {
            "status": publication.status(now_ns),
            "health": publication.health(now_ns),
        }

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

    # the labels' thread -----------------------------------------------------------------------

    def _learn_labels(self) -> None:
        plans = self._plan.questions
        while not self._stop.is_set():
            try:
                asked = [question(plan, self._encode_text) for plan in plans]
                about = self._speaker.describe.remote().result(timeout_s=LABELS_TIMEOUT_S)
                self._learnt = asked, about["space_id"]
            except Exception as error:  # the encoder may still be loading; robots wait
                _log.warning("labels: %s; trying again", error)
                self._stop.wait(LABELS_RETRY_S)
            else:
                return

    def _encode_text(self, texts: list[str]) -> Vector:
        """A few at a time: on a small CPU a large vocabulary takes minutes."""
        parts = [texts[i : i + LABELS_AT_ONCE] for i in range(0, len(texts), LABELS_AT_ONCE)]
        ask = self._speaker.encode_text.remote
        return np.concatenate([ask(part).result(timeout_s=LABELS_TIMEOUT_S) for part in parts])


def _take_over(robot: str) -> IO[str]:
    """The lock that makes us this robot's one publisher here. Raises RuntimeError after a wait."""
    file = lock_path(robot).open("w")
    until_s = time.monotonic() + TAKE_OVER_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until_s:
                file.close()
                raise RuntimeError(
                    f"robot '{robot}' already has a publisher on this machine: "
                    "give this one another robot.name"
                ) from None
            time.sleep(0.1)
        else:
            return file


def _bind_readers(context: zmq.Context[Any], endpoint: str) -> zmq.Socket[Any]:
    """XPUB with bounds. Raises zmq.ZMQError when the address stays taken."""
    readers: zmq.Socket[Any] = context.socket(zmq.XPUB)
    readers.setsockopt(zmq.IPV6, "[" in endpoint)
    readers.setsockopt(zmq.SNDHWM, SUBSCRIBER_BACKLOG)
    readers.setsockopt(zmq.MAXMSGSIZE, 512)  # a peer may subscribe, not send us megabytes
    readers.setsockopt(zmq.HANDSHAKE_IVL, 2000)
    readers.setsockopt(zmq.TCP_KEEPALIVE, 1)
    until_s = time.monotonic() + TAKE_OVER_S
    while True:
        try:
            readers.bind(endpoint)
        except zmq.ZMQError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.2)
        else:
            return readers
