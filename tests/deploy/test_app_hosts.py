"""Where a robot's parts may stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import ray

from bindstream.errors import ConfigError
from deploy import app
from deploy.config.file import Config
from tests.deploy.configs import IMU, made

HOSTS = [{"Alive": True, "NodeManagerAddress": f"10.0.0.{i}"} for i in (1, 2)]
DEAD = {"Alive": False, "NodeManagerAddress": "10.0.0.3"}
LABELS = {"robot": "rover"}


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ray's list of hosts is handed in: two hosts are not to be had here."""

    def stand(hosts: list[dict[str, Any]]) -> None:
        monkeypatch.setattr(ray, "is_initialized", lambda: True)
        monkeypatch.setattr(ray, "nodes", lambda: hosts)

    return stand


def file(folder: Path, labels: dict[str, str]) -> Config:
    return made(folder, IMU | {"labels": labels}, robot={"labels": labels})


def test_parts_that_may_part_are_refused(tmp_path: Path, on: Any) -> None:
    """Breaks if Ray puts a sensor on another host than its publisher, and nobody says a word."""
    on(HOSTS)
    config = file(tmp_path, {})
    refused = "has no labels, and this Ray has 2 hosts.*docs/deploy.md"
    with pytest.raises(ConfigError, match=f"stream 'imu' {refused}"):
        app.stream(config.streams[0])
    with pytest.raises(ConfigError, match=f"robot 'robot' {refused}"):
        app.robot(config.robots[0].args)
    app.encoder(config.encoders["encoder"])  # encoders may stand anywhere


@pytest.mark.parametrize(("hosts", "labels"), [(HOSTS, LABELS), ([HOSTS[0], DEAD], {})])
def test_parts_that_cannot_part_are_placed(
    tmp_path: Path, on: Any, hosts: list[dict[str, Any]], labels: dict[str, str]
) -> None:
    """Breaks if a pinned robot is refused, or a host that left Ray is counted; or if a part is not
    pinned by what its labels say."""
    on(hosts)
    config = file(tmp_path, labels)
    stream = app.stream(config.streams[0])
    assert re.sub(r"\W+", "", stream._bound_deployment.name) == "stream"
    options = stream._bound_deployment.ray_actor_options
    assert (options or {}).get("label_selector") == labels
    publisher = app.robot(config.robots[0].args)._bound_deployment.init_args[0]
    assert publisher._bound_deployment.ray_actor_options.get("label_selector") == labels
