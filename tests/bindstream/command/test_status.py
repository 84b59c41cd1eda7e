"""``bindstream status`` as a process of its own, on a real socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import msgspec

from bindstream.wire import Message
from tests.deploy import messages
from tests.deploy.robot import Robot


def status(*words: str, columns: str = "80") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bindstream.command.cli", "status", *words]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"COLUMNS": columns},
    )


def two_streams(tick: int) -> list[Message]:
    mic = messages.health("mic", "opening", why="no device named 'robotmic'", rate_hz=None)
    return [messages.health("front", late=tick), mic]


def failed_stream(tick: int) -> list[Message]:
    return [messages.health("front", "failed", why="the capture thread died")]


def test_a_row_per_stream_with_state_rate_ages_and_drops() -> None:
    """Breaks if a figure of health is not shown, or a waiting stream does not say why."""
    with Robot(two_streams) as robot:
        told = status(robot.endpoint)
    assert told.returncode == 0, told.stderr
    *headings, front, mic, why = told.stdout.splitlines()
    assert headings[0].split()[:3] == ["stream", "modality", "state"]
    assert len(front) <= 80
    assert front.split() == (
        ["front", "vision", "running", "30", "2.0", "120", "310", "7", "1", "superseded", "2"]
    )
    assert mic.split()[2] == "opening"
    assert why == "mic: no device named 'robotmic'"


def two_robots(tick: int) -> list[Message]:
    why = {"why": "no such device"}
    health = messages.health("front", "opening", **why)
    return [messages.health("front"), msgspec.structs.replace(health, robot="lander")]


def test_of_several_robots_each_stream_stands_under_its_own() -> None:
    """Breaks if, behind a proxy that joins robots, two rows of one name say nothing."""
    with Robot(two_robots) as robot:
        told = status(robot.endpoint, columns="120")
    rows = told.stdout.splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["lander/front", "rover/front", "lander/front:"]
    assert rows[-1] == "lander/front: no such device"


def test_json_has_one_object_per_stream() -> None:
    """Breaks if a script cannot check the ledger."""
    with Robot(two_streams) as robot:
        told = status(robot.endpoint, "--json")
    rows = {row["stream"]: row for row in map(json.loads, told.stdout.splitlines())}
    assert set(rows) == {"front", "mic"}
    front = rows["front"]
    assert front["robot"] == "rover"
    assert front["captured"] == front["published"] + front["open"] + sum(front["dropped"].values())
    assert rows["mic"]["rate_hz"] is None


def test_a_failed_stream_is_an_exit_code() -> None:
    """Breaks if a supervisor that runs status cannot see a dead stream."""
    with Robot(failed_stream) as robot:
        told = status(robot.endpoint)
    assert told.returncode == 1
    assert "front: the capture thread died" in told.stdout


def test_nobody_who_publishes_is_told() -> None:
    """Breaks if status of nothing looks like a robot without streams."""
    told = status("tcp://127.0.0.1:9")
    assert told.returncode == 1
    assert "Start a robot: bindstream run" in told.stderr
    assert told.stdout == ""


def test_an_endpoint_without_a_transport_is_tcp() -> None:
    """Breaks if 'status localhost:5570' is an invalid argument."""
    with Robot(two_streams) as robot:
        told = status(robot.endpoint.removeprefix("tcp://"))
    assert told.returncode == 0, told.stderr


def test_a_narrow_terminal_cuts_nothing() -> None:
    """Breaks if a state, a figure or a reason is lost at 60 columns."""
    with Robot(two_streams) as robot:
        told = status(robot.endpoint, columns="60")
    assert max(map(len, told.stdout.splitlines())) <= 60
    for word in ("front", "vision", "running", "120", "310", "superseded 2", "opening"):
        assert word in told.stdout
