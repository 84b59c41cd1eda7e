"""One running robot for all pages: the shipped configuration, on free ports."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.blocks import ROOT
from tests.system.robot import Robot

PHONE_HZ = 100.0


class Phone:
    """What examples/my_sensor.py listens to: an IMU's readings as JSON datagrams."""

    def __init__(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        reading = json.dumps({"acc": [0.1, 0.2, 9.81], "gyro": [0.0, 0.0, 0.3]}).encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not self._stop.wait(1 / PHONE_HZ):
                out.sendto(reading, ("127.0.0.1", self.port))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def shipped() -> dict[str, Any]:
    """The ``ray_config.yaml`` that ships."""
    file: dict[str, Any] = yaml.safe_load((ROOT / "ray_config.yaml").read_text())
    return file


@pytest.fixture(scope="package")
def phone() -> Iterator[Phone]:
    phone = Phone()
    yield phone
    phone.close()


@pytest.fixture(scope="package")
def robot(tmp_path_factory: pytest.TempPathFactory, phone: Phone) -> Iterator[Robot]:
    """As shipped, and the sensor of examples/my_sensor.py beside it."""
    file = shipped()
    options = {"port": phone.port, "rate_hz": PHONE_HZ}
    mine = {"name": "phone", "modality": "imu", "driver": "my_sensor:UdpImu", "options": options}
    path = "deploy.app:stream"
    more = {"name": "phone", "route_prefix": None, "import_path": path, "args": mine}
    file["applications"].append(more)
    path = os.pathsep.join([str(ROOT), str(ROOT / "examples")])
    folder: Path = tmp_path_factory.mktemp("docs")
    with Robot(folder, file, env={"PYTHONPATH": path}) as robot:
        robot.wait_for("embedding", "front", timeout_s=400)
        yield robot


@pytest.fixture
def shell_env(robot: Robot) -> dict[str, str]:
    """The environment of somebody who typed ``source .venv/bin/activate``."""
    folder = str(Path(sys.executable).parent)
    env = {**robot.env, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return env | {"PYTHONUNBUFFERED": "1"}
