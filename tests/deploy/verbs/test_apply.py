"""`bindstream apply` as a user types it, with a run's end on a real socket; that only what changed
restarts is proved in ``tests/system/test_lifetimes.py``."""

from __future__ import annotations

import json

import pytest

from bindstream.command.cli import main
from deploy.live.control import Answer, Outcome
from tests.deploy.configs import IMU, write
from tests.deploy.live.test_control import run

DONE = [
    Outcome("encoder", "unchanged"),
    Outcome("stream-imu", "restarted", 3, 4),
    Outcome("stream-old", "removed", 2, 0),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / "run"))


def test_without_a_run_it_says_what_to_do(tmp_path, capsys):
    """Breaks if a script takes nothing for something, or a user is not told the two ways."""
    path = write(tmp_path, IMU)
    assert main(["apply", str(path)]) == 2
    said = capsys.readouterr().err
    assert "no 'bindstream run' holds robot 'robot' on this machine" in said
    assert f"'bindstream run {path}'" in said
    assert f"'serve deploy {path}'" in said
    assert len(said.splitlines()) == 1


def test_a_bad_file_is_refused_before_anybody_is_asked(tmp_path, capsys):
    """Breaks if a typo reaches a robot that runs."""
    asked = []
    with run(lambda path: asked.append(path) or Answer([]), ("robot",)):
        assert main(["apply", str(write(tmp_path, IMU | {"hop_ms": 5}))]) == 2
        assert main(["apply", str(write(tmp_path, IMU | {"driver": "gyro"}))]) == 2
    assert not asked
    said = capsys.readouterr().err
    assert "unknown key 'hop_ms'" in said
    assert "unknown driver 'gyro'" in said


def test_what_the_run_refuses_is_exit_2(tmp_path, capsys):
    """Breaks if a script cannot tell a file that touched nothing from one that is half applied."""
    with run(lambda _: Answer([], "x.yaml: http_options is another", refused=True), ("robot",)):
        assert main(["apply", str(write(tmp_path, IMU))]) == 2
    told = capsys.readouterr()
    assert "http_options is another" in told.err
    assert told.out == ""


def test_what_became_of_each_is_printed(tmp_path, capsys):
    """Breaks if one cannot see which streams have begun anew, in words and in JSON."""
    path = write(tmp_path, IMU)
    with run(lambda _: Answer(DONE), ("robot",)):
        assert main(["apply", str(path)]) == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert ["stream-imu", "restarted", "3", "4"] in rows
        assert ["encoder", "unchanged", "-", "-"] in rows
        assert main(["apply", str(path), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records[1] == {
        "app": "stream-imu",
        "kind": "restarted",
        "epoch_before": 3,
        "epoch_after": 4,
    }


def test_a_part_that_did_not_come_up_is_exit_1(tmp_path, capsys):
    """Breaks if a half-applied file reads as success, or what was changed by then is not told."""
    with run(lambda _: Answer(DONE, "encoder: no room for the model"), ("robot",)):
        assert main(["apply", str(write(tmp_path, IMU)), "--json"]) == 1
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 3
    assert told.err == "bindstream apply: encoder: no room for the model\n"
