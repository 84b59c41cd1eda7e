"""What a run says at its beginning and at its end; its life is in ``tests/system``."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import yaml

from bindstream.types import Health
from deploy.config.file import load
from deploy.live import session
from deploy.live.display import Lines
from deploy.live.patience import Patience
from deploy.live.session import Session
from deploy.live.stopping import Stopping
from tests.deploy import messages
from tests.deploy.configs import IMU, write


class Below:
    """A Ray that never starts: what a session asks of it until then."""

    died = ""

    def fallen(self) -> str:
        return self.died


@pytest.fixture
def stopping() -> Stopping:
    stopping = Stopping()
    stopping.begin()
    return stopping


@pytest.fixture
def run(tmp_path: Path, stopping: Stopping) -> Session:
    config = load(write(tmp_path, IMU))
    patience = Patience(1.0, time.monotonic())
    return Session(config, Below(), Lines(), stopping, patience)  # type: ignore[arg-type]


def test_what_only_serve_obeys_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if two replicas that a file asks for become one, and nobody says so."""
    path = write(tmp_path, IMU)
    document = yaml.safe_load(path.read_text())
    document["applications"][0]["deployments"] = [{"name": "encoder", "num_replicas": 2}]
    path.write_text(yaml.safe_dump(document))
    session._say_unread(load(path))
    assert "application 'encoder': num_replicas: 'serve deploy' obeys it" in capsys.readouterr().err
    session._say_unread(load(write(tmp_path, IMU)))
    assert capsys.readouterr().err == ""


def test_no_vector_is_a_failure_with_the_streams_reasons(
    run: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Breaks if a script sees success, or a user no hint at what is in the way."""
    run._robots.deployed.set()
    run._take(Health("robot", "imu", "opening", 0, {"why": "no device at /dev/ttyUSB0"}))
    assert run.report() == 1
    assert "imu: opening, no device at /dev/ttyUSB0" in capsys.readouterr().err


def test_a_signal_before_the_first_vector_is_told_by_the_exit_code(
    run: Session, stopping: Stopping, capsys: pytest.CaptureFixture[str]
) -> None:
    """Breaks if a user's Ctrl-C reads as a fault of the robot; after vectors it is a clean end."""
    stopping._note(signal.SIGINT, None)
    assert run._over()
    assert run.report() == 130
    run._take(messages.embedding(1, stream="imu"))
    assert run.report() == 0
    assert capsys.readouterr().err == ""


def test_a_dead_part_of_ray_is_a_failure_also_after_vectors(
    run: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Breaks if a service manager would take the end of a broken robot for a wanted one."""
    run.ray.died = "Ray's raylet died"  # type: ignore[attr-defined]
    run._take(messages.embedding(1, stream="imu"))
    assert run._over()
    assert run.report() == 1
    assert "Ray's raylet died" in capsys.readouterr().err
