"""Which words of Ray Serve's reach the user. The texts are Serve 2.60's own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import serve

from deploy.config.file import load
from deploy.live import deployment
from deploy.live.changes import changes
from deploy.live.deployment import Deployment, DeploymentFailed, failure
from tests.deploy.configs import IMU, write

RETRYING = """A replica failed to start with exception. Retrying 2 more time(s). Error:
Traceback (most recent call last):
  File "replica.py", line 1274, in initialize
bindstream.errors.ConfigError: robot 'rover': give this one another 'name'"""
GIVEN_UP = """The deployment failed to start 3 times in a row. See controller logs. Error:
Traceback (most recent call last):
FileNotFoundError: [Errno 2] No such file or directory: '/models/x'"""
WAITING = "Deployment 'encoder' has 1 replicas that have taken more than 30s to be scheduled."


def test_a_constructor_that_raised_is_named_at_its_first_try() -> None:
    """Breaks if the user waits for two more tries, or reads a traceback instead of the reason."""
    said = failure("DEPLOYING", "", {"publisher": RETRYING, "encoder": ""})
    assert said == "publisher: robot 'rover': give this one another 'name'"


def test_what_serve_gives_up_is_told_in_the_deployments_words() -> None:
    """Breaks if the application's "Failed to update the deployments" is all that is said."""
    said = failure("DEPLOY_FAILED", "Failed to update the deployments ['e'].", {"e": GIVEN_UP})
    assert said == "e: FileNotFoundError: [Errno 2] No such file or directory: '/models/x'"


def test_waiting_is_no_failure() -> None:
    """Breaks if a model that loads slowly ends the run."""
    assert failure("DEPLOYING", "", {"encoder": WAITING, "ingress": ""}) == ""


def test_without_a_deployments_words_the_applications_are_told() -> None:
    """Breaks if a failure without a message reads as success."""
    assert failure("DEPLOY_FAILED", "no such import", {"e": ""}) == "no such import"
    assert failure("DEPLOY_FAILED", "", {}) == "no reason given"


@dataclass
class Controller:
    """Serve's answers where no Ray runs: what was asked for stands, or waits for ever."""

    running: bool = True
    lost: bool = False
    asked: list[str] = field(default_factory=list)

    def run_many(self, targets: list[Any], **_: Any) -> None:
        if self.lost:
            raise RuntimeError("the controller is away")
        self.asked += [target.name for target in targets]

    def status(self) -> Any:
        status = "RUNNING" if self.running else "DEPLOYING"
        parts = {"stream": SimpleNamespace(message="" if self.running else WAITING)}
        one = SimpleNamespace(status=status, message="", deployments=parts)
        return SimpleNamespace(applications=dict.fromkeys(self.asked, one))


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Controller:
    controller = Controller(asked=["encoder", "stream-imu", "robot"])
    monkeypatch.setattr(serve, "run_many", controller.run_many)
    monkeypatch.setattr(serve, "status", controller.status)
    monkeypatch.setattr(deployment, "_targets", list)
    return controller


def test_what_serve_did_not_take_is_not_taken_for_done(
    controller: Controller, tmp_path: Path
) -> None:
    """Breaks if the same file, applied again after a failure, says that nothing is to be done."""
    before, after = load(write(tmp_path, IMU)), load(write(tmp_path, IMU | {"hop_s": 0.5}))
    running, left = Deployment(before, print), threading.Event()
    controller.lost = True
    with pytest.raises(RuntimeError, match="away"):
        running.apply(after, changes(before.apps, after.apps), left)
    assert running.config is before
    controller.lost = False
    running.apply(after, changes(running.config.apps, after.apps), left)
    assert running.config is after
    assert "stream-imu" in controller.asked[3:]


def test_a_change_that_never_stands_is_given_up_with_what_it_waits_for(
    controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if one that asks for a GPU too many makes a run deaf to what takes it back."""
    monkeypatch.setattr(deployment, "APPLY_S", 0.5)
    before, after = load(write(tmp_path, IMU)), load(write(tmp_path, IMU | {"hop_s": 0.5}))
    controller.running = False
    with pytest.raises(DeploymentFailed, match=r"stands after 0 s: .*taken more than 30s"):
        Deployment(before, print).apply(after, changes(before.apps, after.apps), threading.Event())
