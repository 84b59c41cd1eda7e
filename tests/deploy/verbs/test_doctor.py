"""``bindstream doctor`` on the machine that runs the tests."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.verbs import devices, doctor
from deploy.verbs.doctor import NONE, NOTE, OK, PROBLEM, Finding


def findings_of(check: object) -> list[Finding]:
    return list(check())  # type: ignore[operator]


def test_json_lines_agree_with_the_exit_code() -> None:
    """Breaks if a script cannot read a finding, or exit 0 hides a problem."""
    command = [sys.executable, "-m", "bindstream.command.cli", "doctor", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    findings = [json.loads(line) for line in told.stdout.splitlines()]
    assert {"python", "[server]", "torch", "/dev/shm"} <= {f["name"] for f in findings}
    assert told.returncode == any(f["status"] == PROBLEM for f in findings)
    assert all(f["fix"] for f in findings if f["status"] == PROBLEM)


def test_it_runs_where_no_extra_is_installed(tmp_path: Path) -> None:
    """Breaks if the doctor imports what it is there to miss: runs it with the standard library
    and the base install alone, and expects each extra named with the command that gets it."""
    base = tmp_path / "base"
    base.mkdir()
    for name in ("numpy", "numpy.libs", "zmq", "pyzmq.libs", "msgspec"):
        for folder in sys.path:
            if (Path(folder) / name).is_dir():
                (base / name).symlink_to(Path(folder) / name)
                break
    root = Path(doctor.__file__).parents[2]
    for name in ("bindstream", "deploy"):
        (base / name).symlink_to(root / name)
    told = subprocess.run(
        [sys.executable, "-S", "-m", "bindstream.command.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(base)},
        cwd=tmp_path,
    )
    assert told.returncode == 1, told.stderr
    found = {f["name"]: f for f in map(json.loads, told.stdout.splitlines())}
    assert found["[server]"]["status"] == PROBLEM
    assert "[server]" in found["[server]"]["fix"]
    assert found["[bind]"]["status"] == NOTE
    assert "torch" not in found


def test_a_held_port_is_told() -> None:
    """Breaks if the port check always says free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not doctor._is_free(port)
    assert doctor._is_free(port)


def test_an_absent_tool_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a machine without ffmpeg passes, or the fix names no command."""
    assert shutil.which("ffmpeg"), "make setup installs ffmpeg"
    assert [f.status for f in findings_of(doctor._ffmpeg)] == [OK]
    monkeypatch.setenv("PATH", "/nonexistent")
    (finding,) = findings_of(doctor._ffmpeg)
    assert finding.status == NOTE
    assert "apt-get install -y ffmpeg" in finding.fix


def test_little_shared_memory_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a container with docker's 64 MB is sent on to a Ray that cannot start."""
    monkeypatch.setattr(doctor, "SHM_WANTED_BYTES", 1 << 62)
    (finding,) = findings_of(doctor._space)
    assert finding.status == PROBLEM
    assert "--shm-size" in finding.fix


def test_a_line_puts_the_command_under_the_problem() -> None:
    """Breaks if people cannot see what to type."""
    line = doctor._line(Finding("portaudio", PROBLEM, "no library", "apt-get install x"))
    assert line.splitlines()[0].startswith("MISS  portaudio")
    assert line.splitlines()[1].strip() == "-> apt-get install x"


def test_it_agrees_with_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if the doctor says ok of sensors where 'bindstream devices' lists none, as it did
    wherever a sound server was installed."""
    camera = {"driver": "camera", "options": {"source": "/dev/video0"}, "name": "UVC"}
    closed = camera | {"options": {"source": "/dev/video1"}} | devices._closed("video")
    monkeypatch.setitem(devices.LOOKS, "camera", lambda: iter([camera, closed]))
    monkeypatch.setitem(devices.LOOKS, "microphone", lambda: iter(()))
    monkeypatch.setitem(devices.LOOKS, "serial port", lambda: iter([{"problem": "hung"}]))
    monkeypatch.setitem(devices.LOOKS, "ROS 2 topic", lambda: iter(()))
    told = [(f.name, f.status, f.found, f.fix) for f in findings_of(doctor._devices)]
    fix = "sudo usermod -aG video $USER   # then log in again"
    assert told == [
        ("cameras", PROBLEM, "/dev/video1: no permission", fix),
        ("cameras", OK, "/dev/video0 (bindstream devices)", ""),
        ("microphones", NONE, "no microphone here", ""),
        ("serial ports", NOTE, "hung", ""),
        ("ROS 2 topics", NONE, "no ROS 2 topic here", ""),
    ]
    assert doctor._line(Finding("microphones", NONE, "no microphone here")).startswith("none  mic")


def test_a_long_finding_stays_in_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if versions run on under the next finding's mark at 80 columns, or the command that
    is to be copied is broken."""
    monkeypatch.setenv("COLUMNS", "80")
    fix = "pip install " + "x" * 90
    lines = doctor._line(Finding("[server]", OK, "ray 2.60.0, " * 12, fix)).splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert all(line.startswith(" " * 21) for line in lines[1:])
    assert lines[-1].endswith(fix)


def test_a_proxy_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if whoever is behind a proxy learns nothing of what it does to a robot."""
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    told = findings_of(doctor._environment)
    assert any("https_proxy" in f.found and f.status == NOTE for f in told)
