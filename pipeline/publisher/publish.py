"""The Serve shell of the publisher, one per robot: what it must have to itself, and its threads.

One thread owns every socket (``loop``). In: the streams' ROUTER, over ipc. Out: XPUB for all
readers. What waits for a disk or an encoder has threads of its own.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq

from bindstream import host
from pipeline.plan import LivePlan, RobotPlan
from pipeline.publisher import take_over
from pipeline.publisher.epochs import Epochs, state_dir
from pipeline.publisher.hearing import Hearing
from pipeline.publisher.host_clock import HostClock
from pipeline.publisher.learning import Learning
from pipeline.publisher.loop import FAREWELL_S, Loop, News
from pipeline.publisher.publication import Publication
from pipeline.publisher.readers import Readers

_log = logging.getLogger("ray.serve")
KEEP_S = 1.0
HUNG_S = 20.0


class Publish:
    """A Serve deployment (``deploy.app`` makes it one).

    ``speaker`` is the handle of the encoder that turns labels into vectors, once. ``read_live``
    turns what Serve hands to ``reconfigure`` into a LivePlan, or raises what is wrong with it.
    """

    def __init__(self, plan: RobotPlan, speaker: Any, read_live: Callable[[Any], LivePlan]) -> None:
        self._closed = True  # until it all stands: __del__ comes even when a line below fails
        self._robot, self._read_live = plan.robot, read_live
        self._clock = HostClock()
        self._news: News = deque(maxlen=100)
        self._learning = Learning(speaker)
        self._lock = take_over.robot_lock(plan.robot)
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            self._epochs = Epochs(state_dir() / f"{plan.robot}.epochs.json")
            self._loop = self._made(plan)
        except BaseException:
            self._context.destroy(linger=0)
            self._lock.close()
            raise
        self._stop = threading.Event()
        run = (self._stop,)
        self._thread = threading.Thread(
            target=self._loop.run, args=run, name="publish", daemon=True
        )
        self._thread.start()
        self._closed = False
        threading.Thread(target=self._keep_epochs, name="epochs", daemon=True).start()

    def _made(self, plan: RobotPlan) -> Loop:
        life, clock, next_epoch = host.boot() + uuid.uuid4().hex[:8], self._clock, self._epochs.next
        publication = Publication(plan.robot, next_epoch(), next_epoch, life, plan.timing)
        hearing = Hearing(self._context, plan.robot, publication, clock, life)
        readers = Readers(self._context, plan, clock)
        return Loop(publication, hearing, readers, clock, self._learning, self._news)

    def reconfigure(self, user_config: Any) -> None:
        """Serve calls it at the start, and for each change: nothing restarts. What is wrong is
        told as an event, and the old stays in force."""
        try:
            self._loop.told = self._read_live(user_config)
        except Exception as error:  # Serve would restart us for it
            why = " ".join(str(error).split())
            _log.error("robot '%s': user_config: %s", self._robot, why)
            self._news.append(("config_refused", why))

    def check_health(self) -> None:
        """Raise when the thread that owns the sockets is dead or hangs."""
        if self._stop.is_set():
            return
        if not self._thread.is_alive():
            raise RuntimeError(f"robot '{self._robot}': the publisher's thread is dead")
        still_s = time.monotonic() - self._loop.beat_s
        if still_s > HUNG_S:
            raise RuntimeError(
                f"robot '{self._robot}': the publisher's thread has hung for {still_s:.0f} s"
            )

    def status(self) -> dict[str, Any]:
        """Of each stream what readers were told last, about a second ago at most."""
        return self._loop.seen.status()

    def health(self) -> dict[str, Any]:
        """ok, degraded or down; at most a quarter of a second old."""
        return self._loop.seen.health()

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

    def _keep_epochs(self) -> None:
        """Write numbers ahead, so that a stream's start never waits for the disk."""
        while not self._stop.wait(KEEP_S):
            try:
                self._epochs.reserve()
            except OSError as error:
                _log.warning("robot '%s': epochs: %s; trying again", self._robot, error)
