"""What `bindstream apply` cannot do, and what it may move: on a real `bindstream run`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.system.robot import Robot, free_port
from tests.system.test_environment_and_reasons import REFUSING
from tests.system.test_lifetimes import apply
from tests.system.test_overload import TOY, stream

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
ENCODER = {"kind": TOY, "weights": None}
PLACE = ("robot", "depth")


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    args = {"encoder": ENCODER, "streams": [stream("depth", "depth", hop_s=0.5)]}
    with Robot(tmp_path_factory.mktemp("faults"), args) as robot:
        robot.wait_for("embedding", "depth", 2)
        yield robot


def changed(robot: Robot, path: Path, change: Any) -> subprocess.CompletedProcess[str]:
    """Apply the robot's own file with a change."""
    document = yaml.safe_load(robot.config.read_text())
    change(document, {app["name"]: app for app in document["applications"]})
    path.write_text(yaml.safe_dump(document))
    return apply(robot, path)


def newest(robot: Robot, place: tuple[str, str] = PLACE) -> dict[str, Any]:
    of = [r for r in robot.of("embedding") if (r["robot"], r["stream"]) == place]
    return of[-1] if of else {"epoch": 0, "seq": -1}


def goes_on(robot: Robot, since: dict[str, Any]) -> None:
    """The stream, in the epoch that it had."""
    robot.wait("more vectors", lambda _: newest(robot)["seq"] > since["seq"] + 3)
    assert newest(robot)["epoch"] == since["epoch"]


def test_what_cannot_change_is_refused_untouched(robot: Robot, tmp_path: Path) -> None:
    """Fails when another HTTP port is said to be taken, or another robot's file ends this one."""
    before = newest(robot)

    def port(document: Any, apps: Any) -> None:
        document["http_options"]["port"] = free_port()

    said = changed(robot, tmp_path / "port.yaml", port)
    assert said.returncode == 2
    assert "http_options" in said.stderr
    assert "cannot change while it runs" in said.stderr

    def other(document: Any, apps: Any) -> None:
        apps["robot"]["args"]["name"] = apps["stream-depth"]["args"]["robot"] = "rover"

    said = changed(robot, tmp_path / "other.yaml", other)
    assert said.returncode == 2
    assert "no 'bindstream run' holds robot 'rover'" in said.stderr
    goes_on(robot, before)


def test_an_encoder_that_does_not_start_is_told_and_mended(robot: Robot, tmp_path: Path) -> None:
    """Fails when a broken new encoder reads as success, at the first or the second asking, ends the
    run, or takes the old one with it: streams go on with that until the file is mended."""
    before = newest(robot)

    def broken(document: Any, apps: Any) -> None:
        apps["encoder"]["args"]["kind"] = REFUSING

    for _ in range(2):
        said = changed(robot, tmp_path / "broken.yaml", broken)
        assert said.returncode == 1, said
        assert "no room for the model's cache" in said.stderr
    goes_on(robot, before)
    assert apply(robot, robot.config).returncode == 0
    goes_on(robot, newest(robot))


def test_a_robot_comes_moves_and_goes(robot: Robot, tmp_path: Path) -> None:
    """Fails when a second robot cannot join a run, the run's own reader loses a robot that moves to
    another address, or its streams begin anew for it."""
    before = newest(robot)
    second = {"name": "two", "publish": {"endpoint": f"tcp://127.0.0.1:{free_port()}"}}
    theirs = stream("depth", "depth", hop_s=0.5, robot="two")

    def two(document: Any, apps: Any) -> None:
        joined = [("two", "robot", "/two", second), ("two-depth", "stream", None, theirs)]
        document["applications"] += [
            {"name": name, "import_path": f"deploy.app:{kind}", "route_prefix": route, "args": args}
            for name, kind, route, args in joined
        ]

    said = changed(robot, tmp_path / "two.yaml", two)
    assert said.returncode == 0, said.stderr
    kinds = {one["app"]: one["kind"] for one in map(json.loads, said.stdout.splitlines())}
    assert kinds["two"] == kinds["two-depth"] == "added"
    assert kinds["robot"] == kinds["stream-depth"] == kinds["encoder"] == "unchanged"
    robot.wait("the second robot", lambda _: newest(robot, ("two", "depth"))["seq"] > 2)

    def moved(document: Any, apps: Any) -> None:
        two(document, apps)
        second["publish"] = {"endpoint": f"tcp://127.0.0.1:{free_port()}"}

    at = newest(robot, ("two", "depth"))
    said = changed(robot, tmp_path / "moved.yaml", moved)
    assert said.returncode == 0, said.stderr
    robot.wait("it, elsewhere", lambda _: newest(robot, ("two", "depth"))["seq"] > at["seq"] + 3)
    assert newest(robot, ("two", "depth"))["epoch"] == at["epoch"]

    assert apply(robot, robot.config).returncode == 0  # as it was: the second leaves
    goes_on(robot, before)
    assert robot.stop() == 0
