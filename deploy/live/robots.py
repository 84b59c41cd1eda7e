"""The robots of one run: their Ray and their applications, in a thread that may wait for them."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from pathlib import Path

from bindstream.errors import BindstreamError
from deploy.config.file import Config, load
from deploy.config.preflight import preflight
from deploy.live.changes import Change, changes, outcomes, places, refuse_unfit
from deploy.live.control import Answer, Control
from deploy.live.deployment import Deployment, DeploymentFailed, reason
from deploy.live.display import step
from deploy.live.heard import Heard
from deploy.live.parts import Ending, Ray, Show
from deploy.live.private_ray import PrivateRay

CONTROL_S = 0.2
HELLO_S = 10.0


class Robots:
    """Started by ``begin``; told to go by ``leave``, they end in order.

    ``started``: Ray runs; ``deployed``: all stands. ``endpoints``: where they publish now.
    ``failures``: in words, why they do not live.
    """

    def __init__(self, config: Config, ray: Ray, heard: Heard, show: Show, ending: Ending) -> None:
        self.endpoints = _endpoints(config)
        self.failures: list[str] = []
        self.started = threading.Event()
        self.deployed = threading.Event()
        self._ray, self._heard, self._show, self._ending = ray, heard, show, ending
        self._deployment = Deployment(config, _say)
        self._left = threading.Event()
        self._drains = False
        self._thread = threading.Thread(target=self._live, name="robot", daemon=True)

    def begin(self) -> None:
        """Start them, once."""
        if not self._thread.ident:
            self._thread.start()

    def leave(self, *, drain: bool) -> None:
        """They are to end; to ``drain`` first, where that is worth the time."""
        self._drains = drain
        self._left.set()

    def is_alive(self) -> bool:
        """Whether something of them has still to end."""
        return self._thread.is_alive()

    def _live(self) -> None:
        try:
            self._start()
            self._obey()
        except BaseException as error:  # the main thread reports it and stops
            if not self._left.is_set():
                self.failures.append(_said(error))
                self._left.wait()
        if self._drains:
            with contextlib.suppress(Exception):  # we go in any case
                self._end()

    def _start(self) -> None:
        with step(self._show, "start Ray"):
            self._ray.start()
        self.started.set()
        with step(self._show, "deploy"):
            self._deployment.start(self._left)
        self._ray.note()
        if not self._left.is_set():
            self._ending.deployed(time.monotonic())
            self.deployed.set()

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
        preflight(config, devices=False, ports=isinstance(self._ray, PrivateRay), held=held)
        wanted, before, problem = changes(held.apps, config.apps), self._heard.epochs(), ""
        self.endpoints = list(dict.fromkeys([*_endpoints(held), *_endpoints(config)]))
        try:
            with step(self._show, f"apply {path.name}"):
                self._deployment.apply(config, wanted, self._left)
            self._await_begun(config, wanted, before)
        except DeploymentFailed as error:  # what else was changed by then is told too
            problem = str(error)
        finally:
            self.endpoints = _endpoints(self._deployment.config)  # what stands, after all
            self._ray.note()
        after = self._heard.epochs()
        return Answer(outcomes(wanted, (held.apps, config.apps), (before, after)), problem)

    def _await_begun(
        self, config: Config, made: list[Change], before: dict[tuple[str, str], int]
    ) -> None:
        """A stream that starts anew says hello a moment after it stands."""
        at = places(config.apps)
        new = [at[c.app] for c in made if c.kind in ("added", "restarted") and c.app in at]
        until_s = time.monotonic() + HELLO_S
        while time.monotonic() < until_s and not self._left.is_set():
            if self._heard.have_begun(new, before):
                return
            time.sleep(0.05)

    def _end(self) -> None:
        import ray

        if ray.is_initialized():  # else it would start one
            with step(self._show, "drain"):
                self._deployment.delete()
        with step(self._show, "stop Ray"):
            self._ray.stop()


def _endpoints(config: Config) -> list[str]:
    return [robot.args.publish.endpoint for robot in config.robots]


def _say(waiting: str) -> None:
    print(f"bindstream: waiting for {waiting}", file=sys.stderr)


def _said(error: BaseException) -> str:
    if isinstance(error, BindstreamError):
        return str(error)
    return f"the deployment failed: {reason(str(error) or type(error).__name__)}"
