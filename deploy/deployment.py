"""The graph on a Ray that runs: deployed, watched until it stands, deleted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from bindstream.errors import BindstreamError
from deploy.config import Config

LOOK_EVERY_S = 0.3
_FAILED = "A replica failed to start"
"""How Ray Serve 2.60 begins what it says of a constructor that raised. It would try twice more,
which helps nobody: what a constructor of ours refuses, it refuses again."""


class DeploymentFailed(BindstreamError):
    """A part of the robot did not start; the message is its own."""


class Deployment:
    """One application. ``say`` is told in words what is waited for."""

    def __init__(self, config: Config, say: Callable[[str], None]) -> None:
        entry = config.application
        self._config = config
        self._name = entry.get("name", "default")
        self._route = entry.get("route_prefix", "/")
        self._say = say
        self._said = ""

    def start(self, left: threading.Event) -> None:
        """Returns once every deployment is healthy, or ``left`` is set. Raises DeploymentFailed."""
        from ray import serve

        from deploy.app import build

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(
            http_options=self._config.serve.get("http_options"),
            proxy_location=self._config.serve.get("proxy_location", "HeadOnly"),
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )
        if left.is_set():
            return
        target = serve.RunTarget(build(self._config.args), self._name, self._route)
        serve.run_many([target], wait_for_applications_running=False)
        while not self._stands() and not left.wait(LOOK_EVERY_S):
            pass

    def delete(self) -> None:
        """Drain: streams finish what is in flight, devices are released."""
        from ray import serve

        serve.delete(self._name)

    def _stands(self) -> bool:
        from ray import serve

        found = serve.status().applications.get(self._name)
        if found is None:
            return False
        told = {name: str(one.message) for name, one in found.deployments.items()}
        if why := failure(str(found.status), str(found.message), told):
            raise DeploymentFailed(why)
        self._tell(told)
        return bool(found.status == "RUNNING")

    def _tell(self, told: Mapping[str, str]) -> None:
        """What Serve waits for (no free GPU, a model that loads), once."""
        waiting = "; ".join(f"{name}: {reason(text)}" for name, text in told.items() if text)
        if waiting and waiting != self._said:
            self._said = waiting
            self._say(waiting)


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
