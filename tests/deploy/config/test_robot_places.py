"""What would end a replica's constructor is said before anything starts."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from bindstream.errors import BindstreamError
from deploy.config.preflight import preflight
from pipeline.link import lock_path
from tests.deploy.configs import TOY, made


def complaint(tmp_path: Path) -> str:
    with pytest.raises(BindstreamError) as caught:
        preflight(made(tmp_path, encoder=TOY))
    return str(caught.value)


def test_a_state_folder_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if it is found out by the publisher's third failed start, and not said."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BINDSTREAM_STATE_DIR", str(tmp_path / "file" / "state"))
    said = complaint(tmp_path)
    assert "state folder" in said
    assert str(tmp_path / "file") in said
    assert "BINDSTREAM_STATE_DIR" in said


def test_a_state_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if a folder that is there but read-only (a read-only home) passes; /proc, since root
    may write wherever modes forbid it."""
    monkeypatch.setenv("BINDSTREAM_STATE_DIR", "/proc/self")
    assert "/proc/self" in complaint(tmp_path)


def test_damaged_epochs_are_refused(tmp_path: Path) -> None:
    """Breaks if a file that would keep the publisher from starting is not looked at."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "robot.epochs.json").write_text("half a fi")
    assert "robot.epochs.json is damaged" in complaint(tmp_path)


def test_a_second_robot_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """Breaks if two configurations with ports of their own but one name fail only as deployments;
    and the look must not take the name away from anybody."""
    with lock_path("robot").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = complaint(tmp_path)
        assert "robot 'robot' already runs on this machine" in said
        assert "give this one another 'name' in the args of its application" in said
    preflight(made(tmp_path, encoder=TOY))
    preflight(made(tmp_path, encoder=TOY))


def test_a_socket_path_that_does_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if a long runtime folder is found out by every replica by itself."""
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    assert "over 99 bytes" in complaint(tmp_path)
    assert not list((tmp_path / ("x" * 100)).iterdir())


def test_another_machines_robot_is_not_judged_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if `check --no-ports` or `plan` needs the robot's own folders."""
    monkeypatch.setenv("BINDSTREAM_STATE_DIR", "/proc/self")
    preflight(made(tmp_path, encoder=TOY), ports=False)
