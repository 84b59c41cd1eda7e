"""``bindstream listen`` as a process of its own, on a real socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import deploy
from bindstream import wire
from bindstream.wire import Message
from tests.deploy import messages
from tests.deploy.robot import Robot

COMMAND = [sys.executable, "-m", "bindstream.command.cli", "listen"]


def listen(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, check=False, timeout=120, **options
    )


@pytest.fixture
def robot() -> Iterator[Robot]:
    with Robot() as robot:
        yield robot


def test_json_lines_are_the_messages_in_order(robot: Robot) -> None:
    """Breaks if a message is lost, doubled or out of order, or a tombstone is left out."""
    told = listen(robot.endpoint, "--json", "--count", "60", "--topic", "embedding/")
    assert told.returncode == 0, told.stderr
    records = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(records) == 60
    first = records[0]["seq"]
    assert [r["seq"] for r in records] == list(range(first, first + 60))
    kinds = {r["seq"] % 5 == 4: r["kind"] for r in records}
    assert kinds == {False: "embedding", True: "tombstone"}
    assert {r["reason"] for r in records if r["kind"] == "tombstone"} == {"late"}
    assert records[-1]["topic"] == "embedding/rover/front/"


def test_without_a_topic_it_tells_data_scenes_and_events_but_not_health(robot: Robot) -> None:
    """Breaks if the default drowns the data in heartbeats, or hides a scene or an event."""
    told = listen(robot.endpoint, "--json", "--count", "40")
    kinds = {json.loads(line)["kind"] for line in told.stdout.splitlines()}
    assert kinds == {"embedding", "tombstone", "scene", "event"}


def test_a_topic_may_be_given_twice(robot: Robot) -> None:
    """Breaks if the second --topic replaces the first."""
    told = listen(
        robot.endpoint, "--json", "--count", "20", "--topic", "health/", "--topic", "event/"
    )
    kinds = {json.loads(line)["kind"] for line in told.stdout.splitlines()}
    assert kinds == {"health", "event"}


def test_a_pipe_gets_plain_lines_and_a_summary_on_stderr(robot: Robot) -> None:
    """Breaks if colour codes or the summary get into what a script reads."""
    told = listen(robot.endpoint, "--count", "8")
    assert len(told.stdout.splitlines()) == 8
    assert "\x1b" not in told.stdout
    assert "8 messages, 0 lost on the way" in told.stderr


def test_a_loss_on_the_way_is_told() -> None:
    """Breaks if messages that never came are not noticed."""

    def script(tick: int) -> list[Message]:
        return [messages.embedding(tick + (2 if tick > 20 else 0))] if tick > 10 else []

    with Robot(script) as robot:
        told = listen(robot.endpoint, "--count", "15")
    assert "rover/front: 2 lost on the way (epoch 3, seq 21 to 22)" in told.stderr


def test_nobody_there_is_told_and_is_no_success() -> None:
    """Breaks if a user waits before a silent screen without being told what to start."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    told = listen(f"tcp://127.0.0.1:{port}", "--seconds", "5.5")
    assert told.returncode == 1
    assert "nobody listens there. Start a robot: bindstream run" in told.stderr
    assert told.stderr.count("nobody listens") == 1


def test_silence_of_a_topic_is_told_apart_from_an_absent_robot(robot: Robot) -> None:
    """Breaks if a mistyped topic looks like a robot that is down."""
    told = listen(robot.endpoint, "--topic", "embeding/", "--seconds", "5.5")
    assert told.returncode == 1
    assert "nothing on 'embeding/'; did you mean 'embedding/'?" in told.stderr
    assert "embedding/rover/front/" in told.stderr


def test_fewer_than_asked_is_no_success(robot: Robot) -> None:
    """Breaks if a script takes a short read for a full one."""
    assert listen(robot.endpoint, "--count", "100000", "--seconds", "0.5").returncode == 1


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["--count", "0"], ["--seconds", "-1"], ["--topic", "x" * 300]],
    ids=["endpoint", "count", "seconds", "topic"],
)
def test_bad_input_is_refused_before_start(words: list[str]) -> None:
    """Breaks if a typo gives a traceback, or waits instead of saying what is wrong."""
    told = listen(*words)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    assert told.stderr.strip()


def test_control_c_ends_it_with_success(robot: Robot) -> None:
    """Breaks if the usual end of an unbounded listen is an error or a traceback."""
    process = subprocess.Popen(
        [*COMMAND, robot.endpoint], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "messages" in errors


def test_a_reader_that_leaves_is_no_error(robot: Robot) -> None:
    """Breaks if ``bindstream listen | head -1`` ends in a traceback."""
    line = " ".join([*COMMAND, robot.endpoint, "--json", "|", "head", "-n", "1"])
    told = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert json.loads(told.stdout)["robot"] == "rover"
    assert "Traceback" not in told.stderr


def test_latest_skips_what_a_slow_reader_is_late_for() -> None:
    """Breaks if --latest queues like the default: a burst sent at once is read as its newest."""

    def burst(tick: int) -> list[Message]:
        return [messages.embedding(tick * 200 + n) for n in range(200)]

    with Robot(burst, period_s=0.3) as robot:
        told = listen(robot.endpoint, "--json", "--latest", "--count", "20")
    seqs = [json.loads(line)["seq"] for line in told.stdout.splitlines()]
    assert seqs == sorted(seqs)
    assert seqs[-1] - seqs[0] > len(seqs)  # in a row they would be 19 apart; none is lost


def test_it_runs_in_the_base_install(robot: Robot, tmp_path: Path) -> None:
    """Breaks if listen needs more than numpy, pyzmq and msgspec: runs with those alone."""
    root = Path(deploy.__file__).parents[1]
    for name in ("numpy", "numpy.libs", "zmq", "pyzmq.libs", "msgspec"):
        found = next((Path(f) / name for f in sys.path if (Path(f) / name).is_dir()), None)
        if found is not None:
            (tmp_path / name).symlink_to(found)
    for name in ("bindstream", "deploy"):
        (tmp_path / name).symlink_to(root / name)
    told = subprocess.run(
        [sys.executable, "-S", *COMMAND[1:], robot.endpoint, "--count", "3"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
    )
    assert told.returncode == 0, told.stderr
    assert len(told.stdout.splitlines()) == 3


def test_the_wire_gives_back_what_the_robot_of_these_tests_sends() -> None:
    """Breaks if these tests send what no publisher would."""
    for message in (messages.embedding(), messages.scene(), messages.health(), messages.event()):
        assert type(wire.decode(wire.encode(message))) is type(message)
