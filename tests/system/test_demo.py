"""The shipped configuration, as ``make demo`` starts it: all that a user can see of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml

from tests.system.robot import Robot, title

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
STREAMS = ("front", "ears", "depth", "thermal", "imu")
CLI = "bindstream.command.cli"
SHIPPED = Path(__file__).parents[2] / "ray_config.yaml"


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    with Robot(tmp_path_factory.mktemp("demo"), yaml.safe_load(SHIPPED.read_text())) as robot:
        for stream in STREAMS:
            robot.wait_for("embedding", stream, 2)
        yield robot


def get(robot: Robot, path: str, **headers: str) -> tuple[int, Any]:
    return ask(urllib.request.Request(robot.http + path, headers=headers))


def post(robot: Robot, path: str, body: Any = None) -> tuple[int, Any]:
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    return ask(urllib.request.Request(robot.http + path, data, headers, method="POST"))


def ask(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_five_sensors_become_vectors_of_one_space(robot: Robot) -> None:
    """Fails when a sensor does not deliver, or vectors do not compare."""
    newest = {s: robot.of("embedding", s)[-1] for s in STREAMS}
    assert {r["modality"] for r in newest.values()} == {
        "vision", "audio", "depth", "thermal", "imu",
    }  # fmt: skip
    assert len({r["space_id"] for r in newest.values()}) == 1
    for record in newest.values():
        assert abs(record["norm"] - 1) < 1e-3
        assert len(record["vector"]) == record["dim"]


def test_a_scene_joins_all_five_and_answers_in_words(robot: Robot) -> None:
    """Fails when the join leaves a stream out, or the labels never reach the publisher."""
    scene = robot.wait(
        "a scene with words of all five",
        lambda _: next(
            (
                s
                for s in robot.of("scene")
                if s.get("words") and all(m["weight"] > 0 for m in s["members"])
            ),
            None,
        ),
    )
    assert {m["stream"] for m in scene["members"]} == set(STREAMS)
    assert abs(sum(m["weight"] for m in scene["members"]) - 1) < 1e-6


def test_health_is_judged_by_the_data(robot: Robot) -> None:
    """Fails when /healthz says ok for a robot that publishes nothing, or not ok for this one."""
    robot.wait("health ok", lambda _: get(robot, "/healthz")[1]["status"] == "ok")
    code, status = get(robot, "/status")
    assert code == 200
    assert set(status["streams"]) == set(STREAMS)
    for stream in status["streams"].values():
        ledger = stream["ledger"]
        dropped = sum(ledger["dropped"].values())
        assert ledger["captured"] == ledger["published"] + dropped + ledger["open"]


def test_words_become_vectors_of_the_same_space(robot: Robot) -> None:
    """Fails when text cannot be compared with what the sensors publish."""
    code, said = post(robot, "/text", {"texts": ["a dog", "a kettle", "a dog"]})
    assert code == 200
    vectors = np.array(said["vectors"])
    assert said["space_id"] == robot.of("embedding", "front")[-1]["space_id"]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert np.allclose(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])


def test_a_foreign_page_cannot_ask(robot: Robot) -> None:
    """Fails when a web page, or a name that points here, can reach the robot."""
    assert get(robot, "/status", Host="evil.example")[0] in (400, 403)
    assert get(robot, "/status", Origin="http://evil.example")[0] == 403


def test_a_paused_stream_is_silent_and_says_so(robot: Robot) -> None:
    """Fails when a pause leaves the sensor open, or its gap unexplained."""
    assert post(robot, "/streams/thermal/pause")[0] == 200
    closed_ns = time.time_ns()
    paused = lambda _: robot.of("health", "thermal")[-1]["state"] == "paused"  # noqa: E731
    robot.wait("thermal paused", paused)
    count = len(robot.of("embedding", "thermal"))
    robot.wait_for("embedding", "depth", len(robot.of("embedding", "depth")) + 4)
    window_ns = 500_000_000  # the one that was open is filled by what had come
    ends_ns = [r["end_ns"] for r in robot.of("embedding", "thermal")]
    assert max(ends_ns) <= closed_ns + window_ns
    assert post(robot, "/streams/thermal/resume")[0] == 200
    robot.wait_for("embedding", "thermal", count + 3)
    assert "paused" in {t["reason"] for t in robot.of("tombstone", "thermal")}
    assert post(robot, "/streams/nose/pause")[0] == 404


def test_only_our_ports_answer_and_only_here(robot: Robot) -> None:
    """Fails when something listens to the network that should not, or Ray serves a stranger."""
    ours = {robot.port, robot.http_port}
    assert robot.process is not None
    for process in [psutil.Process(robot.process.pid), *robot.family()]:
        for connection in process.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN:
                continue
            host, port = connection.laddr
            if port in ours:
                assert host in ("127.0.0.1", "::1"), f"{title(process)} listens on {host}:{port}"
            else:
                assert refuses(host, port), f"{title(process)} answers strangers on {host}:{port}"
    assert stranger_is_refused(robot)


def refuses(host: str, port: int) -> bool:
    """Whether HTTP without a token gets nothing but counters or a refusal."""
    near = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    for path in ("/", "/api/jobs/", "/api/serve/applications/", "/nodes"):
        try:
            with urllib.request.urlopen(f"http://{near}:{port}{path}", timeout=2) as answer:
                if path != "/" and answer.status == 200:
                    return False
        except (urllib.error.URLError, OSError, ValueError):
            continue
        except Exception:  # not HTTP at all: a gRPC port; see stranger_is_refused
            return True
    return True


def stranger_is_refused(robot: Robot) -> bool:
    """A Ray driver without the token cannot join."""
    gcs = next(p for p in robot.family() if "gcs_server" in " ".join(p.cmdline()))
    words = dict(w[2:].split("=", 1) for w in gcs.cmdline() if w.startswith("--") and "=" in w)
    port = next(c.laddr.port for c in gcs.net_connections("tcp") if c.status == "LISTEN")
    address = f"{words['node-ip-address']}:{port}"
    code = f"import ray; ray.init(address='{address}', log_to_driver=False); print('joined')"
    env = {k: v for k, v in robot.env.items() if not k.startswith("RAY_")}
    env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=180
        )
    except subprocess.TimeoutExpired:
        return True
    return "joined" not in done.stdout


def test_the_command_line_reads_the_same_robot(robot: Robot) -> None:
    """Fails when listen or status, run by hand in another terminal, do not understand the wire."""
    command = [sys.executable, "-m", "bindstream.command.cli"]
    heard = subprocess.run(
        [*command, "listen", robot.endpoint, "--count", "5", "--json"],
        env=robot.env, capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    assert len([json.loads(line) for line in heard.stdout.splitlines()]) == 5
    status = subprocess.run(
        [*command, "status", robot.endpoint, "--json"],
        env=robot.env, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert status.returncode == 0, status.stderr
    assert {json.loads(line)["stream"] for line in status.stdout.splitlines()} >= set(STREAMS)


def test_a_second_robot_is_refused_by_name(robot: Robot) -> None:
    """Fails when a busy port is found out only after everything was started."""
    done = subprocess.run(
        [sys.executable, "-m", CLI, "run", str(robot.config), "--seconds", "1"],
        env=robot.env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert str(robot.port) in done.stderr
    assert "held by process" in done.stderr


def test_sigterm_drains_and_leaves_nothing(robot: Robot) -> None:
    """Fails when stopping loses a window or a process. Last: it ends the robot."""
    assert robot.stop() == 0
    for stream in STREAMS:
        ledger = robot.of("health", stream)[-1]["detail"]["ledger"]
        assert ledger["open"] == 0
        assert ledger["captured"] == ledger["published"] + sum(ledger["dropped"].values())
