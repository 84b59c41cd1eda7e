"""The applications on a Ray that runs: deployed, watched until they stand, changed, deleted."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bindstream.errors import BindstreamError
from deploy.config.arguments import EncoderArgs, RobotArgs, StreamArgs
from deploy.config.file import App, Config
from deploy.config.serve_file import PUBLISHER
from deploy.live.changes import Change

LOOK_EVERY_S = 0.3
APPLY_S = 150.0
"""What does not stand by then may never: a run that waited on would hear no other file, not the
one either that takes the change back. Less than who asked waits for an answer."""
_FAILED = "A replica failed to start"
"""How Ray Serve 2.60 begins what it says of a constructor that raised. It would try twice more,
which helps nobody: what a constructor of ours refuses, it refuses again."""


class DeploymentFailed(BindstreamError):
    """A part of the robot did not start; the message is its own."""


class Deployment:
    """A file's applications. ``say`` is told in words what is waited for."""

    def __init__(self, config: Config, say: Callable[[str], None]) -> None:
        self._config = config
        self._say = say
        self._said = ""

    @property
    def config(self) -> Config:
        """What is deployed."""
        return self._config

    def start(self, left: threading.Event) -> None:
        """Returns once all stand, or ``left`` is set. Raises DeploymentFailed."""
        from ray import serve

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(
            http_options=self._config.serve.get("http_options"),
            proxy_location=self._config.serve.get("proxy_location", "HeadOnly"),
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )
        if not left.is_set():
            targets = _targets(self._config.apps)
            serve.run_many(targets, wait_for_applications_running=False)
            self._wait({app.name for app in self._config.apps}, left)

    def apply(self, config: Config, made: Sequence[Change], left: threading.Event) -> None:
        """Make the running robot like another file, by ``changes``; the rest is not touched.

        Returns once all stands. Raises ConfigError, and then nothing was touched, or
        DeploymentFailed, naming the part that did not come up, or not in ``APPLY_S``; what had
        been changed by then stays so.
        """
        from ray import serve

        touched = {c.app for c in made if c.kind not in ("removed", "unchanged")}
        targets = _targets(app for app in config.apps if app.name in touched)
        for change in made:
            if change.kind == "removed":
                serve.delete(change.app)
        if targets:
            serve.run_many(targets, wait_for_applications_running=False)
        self._config = config  # not before Serve has it: asked again, it would pass for done
        self._wait(touched, left, APPLY_S)
        self._stand({app.name for app in config.apps})  # one may have failed in an earlier apply

    def delete(self) -> None:
        """Drain: the streams finish what is in flight and release their devices, then robots,
        then encoders end."""
        from ray import serve

        for kind in (StreamArgs, RobotArgs, EncoderArgs):
            names = [app.name for app in self._config.apps if isinstance(app.args, kind)]
            ending = [threading.Thread(target=serve.delete, args=(name,)) for name in names]
            for thread in ending:
                thread.start()
            for thread in ending:
                thread.join()

    def _wait(self, names: set[str], left: threading.Event, most_s: float = float("inf")) -> None:
        until_s = time.monotonic() + most_s
        while not self._stand(names) and not left.wait(LOOK_EVERY_S):
            if time.monotonic() > until_s:
                waiting = f": {self._said}" if self._said else ""
                raise DeploymentFailed(f"not everything stands after {most_s:.0f} s{waiting}")

    def _stand(self, names: set[str]) -> bool:
        from ray import serve

        found = serve.status().applications
        told: dict[str, str] = {}
        for name in names & set(found):
            app = found[name]
            parts = {part: str(one.message) for part, one in app.deployments.items()}
            if why := failure(str(app.status), str(app.message), parts):
                raise DeploymentFailed(f"{name}: {why}")
            told |= {f"{name}/{part}": text for part, text in parts.items()}
        self._tell(told)
        return all(name in found and found[name].status == "RUNNING" for name in names)

    def _tell(self, told: Mapping[str, str]) -> None:
        """What Serve waits for (no free GPU, a model that loads), once."""
        waiting = "; ".join(f"{name}: {reason(text)}" for name, text in told.items() if text)
        if waiting and waiting != self._said:
            self._said = waiting
            self._say(waiting)


def _targets(apps: Iterable[App]) -> list[Any]:
    from ray import serve

    return [serve.RunTarget(application(app), app.name, app.route) for app in apps]


def application(app: App) -> Any:
    """The Serve application of one entry."""
    from deploy import app as graph

    build: Any = {EncoderArgs: graph.encoder, RobotArgs: graph.robot, StreamArgs: graph.stream}
    told: dict[str, Any] = {}
    if app.live is not None:
        told[PUBLISHER] = app.live.model_dump(mode="json")
    built = build[type(app.args)](app.args)
    _settle(built, version(app), told)
    return built


def _settle(built: Any, version: str, told: Mapping[str, Any]) -> None:
    """Give each deployment its version and what it is told while it runs. Serve leaves one of the
    same version running; left alone, it would take every call for a new version."""
    from ray.serve import Application

    bound = built._bound_deployment
    options = {"user_config": told[bound.name]} if bound.name in told else {}
    built._bound_deployment = bound.options(version=version, _internal=True, **options)
    for part in bound.init_args:
        if isinstance(part, Application):
            _settle(part, version, told)


def version(app: App) -> str:
    """Sixteen hex digits of what restarts an application when it changes."""
    told = json.dumps([app.route, app.args.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def failure(status: str, message: str, deployments: Mapping[str, str]) -> str:
    """Which deployments do not start, and each one's own reason; empty while none has failed.

    ``status`` and ``message`` are the application's, ``deployments`` maps a name to its message.
    """
    gave_up = "DEPLOY_FAILED" in status
    broken = {
        name: text
        for name, text in deployments.items()
        if text.startswith(_FAILED) or (gave_up and text)
    }
    if broken:
        return "; ".join(f"{name}: {reason(text)}" for name, text in broken.items())
    return reason(message) if gave_up else ""


def reason(text: str) -> str:
    """A traceback's last line is what was raised; the class's module says nothing to a user."""
    line = (text.strip().splitlines() or ["no reason given"])[-1].strip()
    kind, colon, said = line.partition(": ")
    if not colon or " " in kind:
        return line
    plain = kind.rpartition(".")[2]
    return said if plain in _OURS else f"{plain}: {said}"


def _names(kind: type[Any]) -> set[str]:
    return {kind.__name__}.union(*(_names(one) for one in kind.__subclasses__()))


_OURS = _names(BindstreamError) | {"RuntimeError"}
