"""Where a robot's parts may stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray

from deploy import app
from tests.deploy.configs import made

HOSTS = [{"Alive": True, "NodeManagerAddress": f"10.0.0.{i}"} for i in (1, 2)]


@pytest.mark.parametrize(
    ("hosts", "labels", "warned"),
    [(HOSTS, {}, True), (HOSTS, {"robot": "rover"}, False), (HOSTS[:1], {}, False)],
)
def test_parts_that_may_part_are_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hosts: list[dict[str, Any]],
    labels: dict[str, str],
    warned: bool,
) -> None:
    """Breaks if Ray puts a sensor on another host than its publisher, and nobody says a word. Ray's
    list of hosts is handed in: two hosts are not to be had here."""
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: hosts)
    app.build(made(tmp_path, robot={"name": "rover", "labels": labels}).args)
    assert ("robot.labels" in caplog.text) == warned
