"""A robot in an unfriendly environment, and one that cannot start: whole runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.live.patience import FIRST_S
from tests.system.cluster import Cluster
from tests.system.robot import Robot
from tests.system.test_deaths_of_ray import ARGS

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
REFUSING = "tests.system.refusing_encoder:RefusingEncoder"
DEAD = "http://127.0.0.1:9"
UNFRIENDLY = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "ALL_PROXY"), DEAD),
    "no_proxy": "localhost,127.0.0.1",
    "RAY_ADDRESS": "10.255.255.1:6379",
    "RAY_NAMESPACE": "theirs",
    "OMP_PROC_BIND": "true",
    "OMP_NUM_THREADS": "64",
    "TMPDIR": "/tmp/" + "long/" * 30,
}


def test_vectors_come_whatever_the_shell_exports(tmp_path: Path) -> None:
    """Fails when a company's proxy stands between two parts of a robot (every window would be
    ``encoder_timeout``), or another Ray's variables are obeyed."""
    with Robot(tmp_path, ARGS, env=UNFRIENDLY) as robot:
        robot.wait_for("embedding", "depth", 5)
        inherited = robot.replica("stream-depth").environ()
        assert inherited["grpc_proxy"] == ""
        assert "127.0.0.2" in inherited["no_proxy"]
        assert inherited["http_proxy"] == DEAD  # what leaves the robot obeys it
        assert not {"OMP_PROC_BIND", "RAY_NAMESPACE"} & set(inherited)
        assert robot.stop() == 0


def test_attached_to_a_ray_behind_a_proxy(tmp_path: Path) -> None:
    """Fails when calls between the replicas of an operator's Ray go through a proxy, or when
    ``run --address`` leaves its application behind, or takes the Ray with it.

    ``grpc_proxy`` and not ``http_proxy``: the latter would also stand between this test's
    ``serve status`` and the dashboard.
    """
    cluster = Cluster(tmp_path)
    cluster.env["grpc_proxy"] = DEAD
    with cluster:
        robot = Robot(tmp_path, ARGS, env={**cluster.env, "PYTHONUNBUFFERED": "1"})
        robot.options = ["--address", f"127.0.0.1:{cluster.gcs}"]
        with robot:
            robot.wait_for("embedding", "depth", 5)
            assert robot.stop() == 0
        assert cluster.applications() == {}
        assert cluster.serve("status").returncode == 0


def test_a_part_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Fails when the reason is lost in "Failed to update the deployments", or told only after Serve
    has tried three times."""
    args = {**ARGS, "encoder": {"kind": REFUSING, "weights": None}}
    with Robot(tmp_path, args) as robot:
        assert robot.process is not None
        assert robot.process.wait(240) == 1
        assert "no room for the model's cache" in robot.log()
        assert "encoder: " in robot.log()
        assert "Traceback" not in robot.log()
        assert len(robot.log().splitlines()) <= 2, robot.log()


@pytest.mark.long
def test_a_bounded_run_ends_without_a_vector_and_says_why(tmp_path: Path) -> None:
    """Fails when `run --seconds` waits for ever for a sensor that gives nothing."""
    silent = {
        "name": "mute",
        "modality": "depth",
        "driver": "tests.deploy.config.test_preflight:Gadget",
    }
    robot = Robot(tmp_path, {**ARGS, "streams": [silent]})
    command = [
        sys.executable,
        "-m",
        "bindstream.command.cli",
        "run",
        str(robot.config),
        "--seconds",
        "1",
    ]
    done = subprocess.run(command, env=robot.env, capture_output=True, text=True, timeout=400)
    robot.__exit__()
    assert done.returncode == 1
    assert f"no vector within {FIRST_S:.0f} s (mute: " in done.stderr
