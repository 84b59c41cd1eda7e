"""One run: start Ray, deploy the graph, read the stream as any subscriber would, drain.

Two threads. The robot's starts and ends Ray and whatever it may wait for; the main one reads,
shows, and looks a few times a second whether to stop: so that no signal and no death of what we
stand on waits for a call that does not return.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bindstream.subscriber import Subscriber
from bindstream.types import Embedding
from bindstream.wire import Message
from deploy.config.file import Config, load
from deploy.config.preflight import preflight
from deploy.live import leftovers
from deploy.live.attached_ray import AttachedRay
from deploy.live.display import Lines, Table
from deploy.live.heard import Heard
from deploy.live.parts import Ending, Ray, Show
from deploy.live.patience import FIRST_S, Patience
from deploy.live.private_ray import PrivateRay
from deploy.live.robots import Robots
from deploy.live.stopping import Stopping
from deploy.world_truth import WorldTruth

TOPICS = ("embedding/", "scene/", "event/", "health/")
REFRESH_S = 0.25
DRAIN_S = 12.0
ATTACHED_LEAVE_S = 4.0
UNREAD = ("runtime_env", "external_scaler_enabled", "logging_config")
READ = {"name", "user_config"}
"""Of an application's entry ``serve deploy`` reads UNREAD too, and of its deployments more than
READ; ``run`` does not."""


def live(
    path: Path | None,
    stopping: Stopping,
    *,
    seconds: float | None,
    as_json: bool,
    address: str | None,
) -> int:
    """0 when vectors came, 1 when none did or something failed, 128 + the signal when stopped
    before the first vector. Raises ConfigError when refused.

    ``address`` None: a Ray of our own, for which ``private_ray.prepare`` was called before ray
    was imported.
    """
    config = load(path)
    ours = address is None  # of another Ray neither devices nor ports can be seen from here
    if ours:
        leftovers.reap()  # before we look whose the ports are
    preflight(config, devices=ours, ports=ours)
    _say_unread(config)
    names = [robot.name for robot in config.robots]
    show = Lines() if as_json else Table(names, WorldTruth.of(config.robots[0]))
    ray: Ray = AttachedRay(address) if address else PrivateRay()
    session = Session(config, ray, show, stopping, Patience(seconds, time.monotonic()))
    return conduct(session, show, stopping)


def conduct(
    session: Session, show: Show, stopping: Stopping, then: Callable[[int], int] = int
) -> int:
    """A session from its start to the end of this process; its exit code is what ``then`` makes of
    the session's."""
    stopping.begin()
    try:
        with show:
            session.run()
        code = then(session.report())
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        code = 0
    finally:
        session.ray.end()
    leave(code)
    return code


def _say_unread(config: Config) -> None:
    for entry in config.serve["applications"]:
        found = {key for key in UNREAD if entry.get(key)}
        found |= {key for one in entry.get("deployments") or [] for key in one} - READ
        if found:
            print(
                f"bindstream run: {config.path}: application '{entry['name']}': "
                f"{', '.join(sorted(found))}: 'serve deploy' obeys it, 'run' does not",
                file=sys.stderr,
            )


def leave(code: int) -> None:
    """At once: Ray's own exit hooks wait a minute for a head that is gone."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class Session:
    """One run, as its main thread has it: read, show, stop. ``ray`` is what it stands on; ``verb``
    what its failures are told as."""

    def __init__(
        self,
        config: Config,
        ray: Ray,
        show: Show,
        stopping: Stopping,
        ending: Ending,
        verb: str = "run",
    ) -> None:
        self.ray, self._show, self._stopping, self._ending = ray, show, stopping, ending
        self._verb = verb
        self._heard = Heard((stream.robot, stream.name) for stream in config.streams)
        self._robots = Robots(config, ray, self._heard, show, ending)
        self._begun_s = time.monotonic()
        self._left = False

    def run(self) -> None:
        """Returns at the end, whichever way it comes."""
        while not self._left:
            self._read(self._robots.endpoints)

    def report(self) -> int:
        """Say how it went; the exit code."""
        failures = self._robots.failures
        if not failures and not self._heard.any_vector:
            if self._stopping.asked:
                return self._stopping.exit_code
            failures.append(f"no vector within {FIRST_S:.0f} s{self._whys()}")
        for failure in failures:
            print(f"bindstream {self._verb}: {failure}", file=sys.stderr)
        if failures:
            return 1
        return self._stopping.exit_code if self._stopping.insisted else 0

    def _read(self, endpoints: list[str]) -> None:
        """Until the end, or until the robots publish elsewhere."""
        with Subscriber(endpoints, topics=TOPICS, tombstones=True) as stream:
            self._robots.begin()
            while not self._over():
                self._take(stream.receive(REFRESH_S))
                if self._robots.started.is_set():
                    self._stopping.hear()  # only this thread may
                    self._robots.started.clear()
                if self._robots.endpoints != endpoints:
                    return
            drain_s = self._worth_draining_s()
            self._left = True
            self._robots.leave(drain=bool(drain_s))
            self._drain(stream, drain_s)

    def _over(self) -> bool:
        if self._stopping.asked or self._robots.failures:
            return True
        if fallen := self.ray.fallen():
            end = "this run ends; a service manager starts it again"
            self._robots.failures.append(f"{fallen}: {end}")
            return True
        return self._ending.over(time.monotonic())

    def _take(self, message: Message | None) -> None:
        self._show.show(message)
        self._ending.hear(message)
        first = self._heard.take(message)
        if isinstance(message, Embedding):
            self._ending.vector(time.monotonic())
            if first:
                after_s = time.monotonic() - self._begun_s
                self._show.first(message.robot, message.stream, after_s)

    def _drain(self, stream: Subscriber, drain_s: float) -> None:
        """Until the robots have ended all in order."""
        until_s = time.monotonic() + drain_s
        while self._robots.is_alive() and time.monotonic() < until_s:
            if self._stopping.insisted or self.ray.fallen():
                return
            self._show.show(stream.receive(0.1))

    def _worth_draining_s(self) -> float:
        """A private Ray that never stood, or stands no more, has nothing to drain: it is ended."""
        if self._robots.deployed.is_set():
            return 0.0 if self.ray.fallen() else DRAIN_S
        return ATTACHED_LEAVE_S if isinstance(self.ray, AttachedRay) else 0.0

    def _whys(self) -> str:
        stood = self._robots.deployed.is_set()
        return f" ({self._heard.whys()})" if stood else ": the deployment did not stand"
