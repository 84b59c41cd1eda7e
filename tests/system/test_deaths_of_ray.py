"""The end of a run, however it comes: signals at each step of the start, and the death of Ray.

A toy encoder and one simulated sensor, so that only the ways of starting and ending are tested.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

import psutil
import pytest

from tests.patience import slowness
from tests.system.robot import Robot
from tests.system.test_overload import TOY, stream

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
ARGS = {
    "encoder": {"kind": TOY, "weights": None},
    "streams": [stream("depth", "depth", hop_s=0.5)],
}
LEAVE_S = 5.0
"""What a stop before the first vector may take on an idle machine."""


def of_run(robot: Robot) -> list[psutil.Process]:
    """Every process that inherited the robot's environment, wherever it hangs by now."""
    mark = robot.env["BINDSTREAM_RUNTIME_DIR"]
    found = []
    for process in psutil.process_iter():
        try:
            inherited = process.environ().get("BINDSTREAM_RUNTIME_DIR")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if inherited == mark and process.pid != os.getpid():
            found.append(process)
    return found


def notes(robot: Robot) -> list[Path]:
    """Of runs that are not over, and so of folders under /tmp that would stay."""
    return list(Path(robot.env["BINDSTREAM_RUNTIME_DIR"]).glob("run-*"))


def exit_of(robot: Robot, timeout_s: float = LEAVE_S) -> int:
    """Wait for the end; nothing of it may be left."""
    assert robot.process is not None
    begun_s, slow = time.monotonic(), [slowness()]
    until(lambda: slow.append(slowness()) or robot.process.poll() is not None, "end of the run")
    took_s, code = time.monotonic() - begun_s, robot.process.returncode
    # its processes end side by side: one that has to share a core waits for others that do
    assert took_s < timeout_s * (2 * fmean(slow) - 1), f"{took_s:.1f} s, slow by {fmean(slow):.1f}"
    left = [p for p in of_run(robot) if p.status() != psutil.STATUS_ZOMBIE]
    for process in left:
        process.kill()
    assert not left, f"left behind: {left}"
    assert not notes(robot)
    return code


def until(condition: Callable[[], object], what: str, timeout_s: float = 240.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, f"no {what} in {timeout_s} s"
        time.sleep(0.05)


def named(robot: Robot, name: str) -> list[psutil.Process]:
    return [p for p in robot.family() if p.is_running() and p.name() == name]


def maps(robot: Robot) -> str:
    """The libraries that the process has loaded so far."""
    assert robot.process is not None
    return Path(f"/proc/{robot.process.pid}/maps").read_text()


MOMENTS: dict[str, Callable[[Robot], object]] = {
    "importing": lambda robot: "_raylet" in maps(robot),
    "head": lambda robot: named(robot, "gcs_server"),
    "node": lambda robot: named(robot, "raylet"),
    "deploying": lambda robot: robot.of("step"),
}


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("importing", signal.SIGINT),
        ("head", signal.SIGINT),
        ("node", signal.SIGTERM),
        ("deploying", signal.SIGINT),
    ],
)
def test_a_signal_during_the_start_ends_it(tmp_path: Path, moment: str, number: int) -> None:
    """Fails when Ray swallows a Ctrl-C, when its processes outlive it, or when an interrupted
    start is explained as a slow machine."""
    with Robot(tmp_path, ARGS) as robot:
        assert robot.process is not None
        until(lambda: MOMENTS[moment](robot), moment)
        robot.process.send_signal(number)
        assert exit_of(robot) == 128 + number
        assert "did not start" not in robot.log()
        assert "Traceback" not in robot.log()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Robot]:
    with Robot(tmp_path, ARGS) as robot:
        robot.wait_for("embedding", "depth", 2)
        yield robot


@pytest.mark.parametrize("pillar", ["raylet", "gcs_server"])
def test_a_dead_pillar_of_ray_ends_the_run(running: Robot, pillar: str) -> None:
    """Fails when a run goes on above a Ray that restarts nothing any more, or leaves its agents:
    it ends with 1 and says what died, and a service manager starts it again."""
    (victim,) = named(running, pillar)
    victim.kill()
    assert exit_of(running) == 1
    assert f"Ray's {pillar} died" in running.log()


def test_a_second_signal_does_not_wait_for_the_draining(running: Robot) -> None:
    """Fails when an impatient user's second Ctrl-C is ignored, or leaves processes."""
    assert running.process is not None
    publisher = running.replica("publisher")
    publisher.suspend()  # so that draining hangs
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    running.process.send_signal(signal.SIGINT)
    assert exit_of(running) == 130


def test_a_drain_that_takes_its_time_is_not_aborted(running: Robot) -> None:
    """Fails when Ray's own handler for SIGTERM is in place: it aborts the process after 3 s, in
    the middle of the draining. (A hung publisher takes 5 s: then Serve kills it.)"""
    assert running.process is not None
    running.replica("publisher").suspend()
    running.process.send_signal(signal.SIGTERM)
    assert exit_of(running, 20.0) == 0
    assert "SIGTERM received" not in running.log()


def test_a_reader_of_the_output_that_leaves_ends_the_run(tmp_path: Path) -> None:
    """Fails when `run --json | head` ends the command and not the robot."""
    robot = Robot(tmp_path, ARGS)
    command = [sys.executable, "-m", "bindstream.command.cli", "run", str(robot.config), "--json"]
    robot.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=robot.env)
    assert robot.process.stdout is not None
    while '"embedding"' not in robot.process.stdout.readline():
        assert robot.process.poll() is None
    robot.process.stdout.close()
    assert exit_of(robot) == 0
    robot.__exit__()


def test_rays_folder_is_ours_alone(running: Robot) -> None:
    """Fails when another user of the machine can reach Ray's sockets and logs, which Ray opens to
    everybody: one could move them away, or have root overwrite a file through a planted link."""
    (note,) = notes(running)
    folder = Path(json.loads(note.read_text())["folder"])
    assert list(folder.rglob("raylet"))
    assert folder.stat().st_mode & 0o077 == 0
    assert running.stop() == 0
    assert not folder.exists()
