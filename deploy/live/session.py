"""One run: start Ray, deploy the graph, read the stream as any subscriber would, drain.

Two threads. The robot's starts and ends Ray and whatever it may wait for; the main one reads,
shows, and looks a few times a second whether to stop: so that no signal and no death of what we
stand on waits for a call that does not return.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from bindstream.command.rows import StreamRow, row_of
from bindstream.errors import BindstreamError
from bindstream.subscriber import Subscriber
from bindstream.types import Embedding, Event, Health
from bindstream.wire import Message
from deploy.config.file import Config, load
from deploy.config.preflight import preflight
from deploy.live import leftovers
from deploy.live.changes import Change, Place, changes, outcomes, places, refuse_unfit
from deploy.live.control import Answer, Control
from deploy.live.deployment import Deployment, DeploymentFailed, reason
from deploy.live.display import Lines, Table
from deploy.live.patience import FIRST_S, Patience
from deploy.live.private_ray import PrivateRay
from deploy.live.stopping import Stopping
from deploy.world_truth import WorldTruth

TOPICS = ("embedding/", "scene/", "event/", "health/")
REFRESH_S = 0.25
DRAIN_S = 12.0
ATTACHED_LEAVE_S = 4.0
CONTROL_S = 0.2
HELLO_S = 10.0
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
    session = Session(config, show, stopping, Patience(seconds, time.monotonic()))
    session.ray = AttachedRay(address) if address else PrivateRay()
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
    _leave(code)
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


def _leave(code: int) -> None:
    """At once: Ray's own exit hooks wait a minute for a head that is gone."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class Show(Protocol):
    """What a session shows its messages and steps to."""

    def __enter__(self) -> Any: ...
    def __exit__(self, *details: Any) -> None: ...
    def begin(self, name: str) -> None: ...
    def finish(self, name: str, seconds: float, failed: bool = False) -> None: ...
    def first(self, robot: str, stream: str, after_s: float) -> None: ...
    def show(self, message: Any) -> None: ...


class Ending(Protocol):
    """What tells when a session is over: ``Patience``, or that a recording was ``PlayedOut``."""

    def deployed(self, now_s: float) -> None: ...
    def vector(self, now_s: float) -> None: ...
    def hear(self, message: Message | None) -> None: ...
    def over(self, now_s: float) -> bool: ...


class Ray(Protocol):
    """What a session needs of the Ray below it: ``PrivateRay`` or ``AttachedRay``."""

    def start(self) -> None: ...
    def note(self) -> None: ...
    def fallen(self) -> str: ...
    def stop(self) -> None: ...
    def end(self) -> None: ...


class AttachedRay:
    """A Ray that somebody else started, and that goes on after us."""

    def __init__(self, address: str) -> None:
        self._address = address

    def start(self) -> None:
        """Join it as a driver."""
        import ray

        ray.init(address=self._address, log_to_driver=False)

    def note(self) -> None:
        """Nothing of it is ours."""

    def fallen(self) -> str:
        """Its processes cannot be seen from here."""
        return ""

    def stop(self) -> None:
        """Leave it."""
        import ray

        ray.shutdown()

    def end(self) -> None:
        """It goes on."""


class Session:
    """One run: deploy, read, drain. ``ray`` is set before ``run``; ``verb`` is what its failures
    are told as."""

    ray: Ray
    verb = "run"

    def __init__(self, config: Config, show: Show, stopping: Stopping, patience: Ending) -> None:
        self._endpoints = _endpoints(config)
        self._show = show
        self._stopping = stopping
        self._patience = patience
        self._deployment = Deployment(config, _say)
        self._begun_s = time.monotonic()
        self._first: dict[tuple[str, str], float] = {}
        self._rows = {(s.robot, s.name): StreamRow(s.robot, s.name) for s in config.streams}
        self._failures: list[str] = []
        self._drain_s = 0.0
        self._started = threading.Event()
        self._deployed = threading.Event()
        self._left = threading.Event()
        self._robot = threading.Thread(target=self._live, name="robot", daemon=True)

    def run(self) -> None:
        """Returns at the end, whichever way it comes."""
        while not self._left.is_set():
            self._read(self._endpoints)

    def report(self) -> int:
        """Say how it went; the exit code."""
        if not self._failures and not self._first:
            if self._stopping.asked:
                return self._stopping.exit_code
            self._failures.append(f"no vector within {FIRST_S:.0f} s{self._whys()}")
        for failure in self._failures:
            print(f"bindstream {self.verb}: {failure}", file=sys.stderr)
        if self._failures:
            return 1
        return self._stopping.exit_code if self._stopping.insisted else 0

    # the main thread --------------------------------------------------------------------------

    def _read(self, endpoints: list[str]) -> None:
        """Until the end, or until the robots publish elsewhere."""
        with Subscriber(endpoints, topics=TOPICS, tombstones=True) as stream:
            if not self._robot.ident:
                self._robot.start()
            while not self._over():
                self._take(stream.receive(REFRESH_S))
                if self._started.is_set():
                    self._stopping.hear()  # only this thread may
                    self._started.clear()
                if self._endpoints != endpoints:
                    return
            self._drain_s = self._worth_draining_s()
            self._left.set()
            self._drain(stream)

    def _over(self) -> bool:
        if self._stopping.asked or self._failures:
            return True
        if fallen := self.ray.fallen():
            self._failures.append(f"{fallen}: this run ends; a service manager starts it again")
            return True
        return self._patience.over(time.monotonic())

    def _take(self, message: Message | None) -> None:
        self._show.show(message)
        self._patience.hear(message)
        match message:
            case Embedding():
                self._note(message)
            case Health():
                self._rows[message.robot, message.stream] = row_of(message)
            case Event(name="stream_removed"):
                self._rows.pop((message.robot, str(message.detail.get("stream"))), None)

    def _note(self, embedding: Embedding) -> None:
        self._patience.vector(time.monotonic())
        place = embedding.robot, embedding.stream
        if place not in self._first:
            after_s = time.monotonic() - self._begun_s
            self._first[place] = after_s
            self._show.first(*place, after_s)

    def _drain(self, stream: Subscriber) -> None:
        """Until the robot's thread has ended all in order."""
        until_s = time.monotonic() + self._drain_s
        while self._robot.is_alive() and time.monotonic() < until_s:
            if self._stopping.insisted or self.ray.fallen():
                return
            self._show.show(stream.receive(0.1))

    def _worth_draining_s(self) -> float:
        """A private Ray that never stood, or stands no more, has nothing to drain: it is ended."""
        if self._deployed.is_set():
            return 0.0 if self.ray.fallen() else DRAIN_S
        return ATTACHED_LEAVE_S if isinstance(self.ray, AttachedRay) else 0.0

    def _whys(self) -> str:
        told = [
            f"{row.stream}: {row.state}{f', {row.why}' * bool(row.why)}"
            for row in list(self._rows.values())
        ]
        return (
            f" ({'; '.join(told)})" if self._deployed.is_set() else ": the deployment did not stand"
        )

    # the robot's thread -----------------------------------------------------------------------

    def _live(self) -> None:
        try:
            self._start()
            self._obey()
        except BaseException as error:  # the main thread reports it and stops
            if not self._left.is_set():
                self._failures.append(_said(error))
                self._left.wait()
        if self._drain_s:
            with contextlib.suppress(Exception):  # we go in any case
                self._end()

    def _start(self) -> None:
        with self._step("start Ray"):
            self.ray.start()
        self._started.set()
        with self._step("deploy"):
            self._deployment.start(self._left)
        self.ray.note()
        if not self._left.is_set():
            self._patience.deployed(time.monotonic())
            self._deployed.set()

    def _obey(self) -> None:
        """Do what other programs ask for, until it is time to leave."""
        control = Control(robot.name for robot in self._deployment.config.robots)
        try:
            while not self._left.is_set():
                control.serve(CONTROL_S, self._apply)
                control.answer_to(robot.name for robot in self._deployment.config.robots)
        finally:
            control.close()

    def _apply(self, path: Path) -> Answer:
        """Raises ConfigError when refused: then nothing is touched."""
        config, held = load(path), self._deployment.config
        refuse_unfit(held, config)
        preflight(config, devices=False, ports=isinstance(self.ray, PrivateRay), held=held)
        wanted, before, problem = changes(held.apps, config.apps), self._epochs(), ""
        self._endpoints = list(dict.fromkeys([*_endpoints(held), *_endpoints(config)]))
        try:
            with self._step(f"apply {path.name}"):
                self._deployment.apply(config, wanted, self._left)
            self._await_epochs(wanted, places(config.apps), before)
        except DeploymentFailed as error:  # what else was changed by then is told too
            problem = str(error)
        finally:
            self._endpoints = _endpoints(self._deployment.config)  # what stands, after all
            self.ray.note()
        return Answer(outcomes(wanted, (held.apps, config.apps), (before, self._epochs())), problem)

    def _epochs(self) -> dict[tuple[str, str], int]:
        return {place: row.epoch for place, row in list(self._rows.items())}

    def _await_epochs(
        self, made: list[Change], at: Mapping[str, Place], before: Mapping[Place, int]
    ) -> None:
        """A stream that starts anew says hello a moment after it stands."""
        new = [at[c.app] for c in made if c.kind in ("added", "restarted") and c.app in at]
        until_s = time.monotonic() + HELLO_S
        while time.monotonic() < until_s and not self._left.is_set():
            now = self._epochs()
            if all(now.get(place, 0) > before.get(place, 0) for place in new):
                return
            time.sleep(0.05)

    def _end(self) -> None:
        import ray

        if ray.is_initialized():  # else it would start one
            with self._step("drain"):
                self._deployment.delete()
        with self._step("stop Ray"):
            self.ray.stop()

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Show a step of the start or the end, and how long it took."""
        start_s = time.monotonic()
        self._show.begin(name)
        try:
            yield
        except BaseException:
            self._show.finish(name, time.monotonic() - start_s, failed=True)
            raise
        self._show.finish(name, time.monotonic() - start_s)


def _endpoints(config: Config) -> list[str]:
    return [robot.args.publish.endpoint for robot in config.robots]


def _say(waiting: str) -> None:
    print(f"bindstream run: waiting for {waiting}", file=sys.stderr)


def _said(error: BaseException) -> str:
    if isinstance(error, BindstreamError):
        return str(error)
    return f"the deployment failed: {reason(str(error) or type(error).__name__)}"
