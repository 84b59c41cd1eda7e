"""``bindstream replay`` as a user runs it, with the shipped weights: Ray, Serve, ZeroMQ."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bindstream.types import SENSED
from deploy.config.file import shipped_path
from tests.devices.drives import drive, write
from tests.system.robot import free_port

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
SECONDS = 9.0
BUSY = "while True: pass"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("drive") / "drive.mcap", drive(SECONDS))


def replay(folder: Path, recording: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One replay with the shipped configuration, on ports of its own. Where a busy machine let Ray
    not start in its minute, once more: nothing was replayed yet."""
    folder.mkdir(exist_ok=True)
    file = yaml.safe_load(shipped_path().read_text())
    file["http_options"]["port"] = free_port()
    file["applications"][-1]["args"]["publish"]["endpoint"] = f"tcp://127.0.0.1:{free_port()}"
    config = folder / "robot.yaml"
    config.write_text(yaml.safe_dump(file))
    env = {
        **os.environ,
        "BINDSTREAM_RUNTIME_DIR": str(folder / "run"),
        "BINDSTREAM_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "bindstream.command.cli", "replay", str(recording)]
    command += ["--config", str(config), *words]
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
        if "Ray did not start" not in done.stderr:
            break
    return done


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """A loop on each core, at the priority of everybody."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def digests(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[int, str]]:
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return {record["stream"]: (record["count"], record["digest"]) for record in records}


def test_equal_digests_at_every_speed_and_under_load(recording, tmp_path):
    """Breaks if what a robot makes of a recording hangs on the pace, the load or the start: windows
    that are lost or cut elsewhere, scenes joined from other members, an encoder that takes another
    path or other batches."""
    fast = digests(replay(tmp_path / "max", recording, "--digest", "--speed", "max"))
    paced = digests(replay(tmp_path / "four", recording, "--digest", "--speed", "4"))
    with busy():
        loaded = digests(replay(tmp_path / "busy", recording, "--digest", "--speed", "max"))
    assert fast == paced == loaded
    assert set(fast) == {*map(str, SENSED), "scene"}
    for stream, (count, _) in fast.items():
        assert count >= 4, stream


def test_a_stream_that_is_not_there_is_refused_with_those_that_are(recording, tmp_path):
    """Breaks if a misspelt --streams plays nothing, or everything."""
    done = replay(tmp_path / "x", recording, "--streams", "imu,visio")
    assert done.returncode == 2
    assert "no stream 'visio'" in done.stderr
    assert "vision" in done.stderr


def test_what_cannot_be_played_is_refused_before_anything_starts(tmp_path):
    """Breaks if a missing or foreign file starts Ray first, or ends in a traceback."""
    (tmp_path / "b.mcap").write_bytes(b"nothing of the kind")
    for name, reason in (("a.mcap", "no such file"), ("b.mcap", "is no MCAP")):
        done = replay(tmp_path / "x", tmp_path / name)
        assert done.returncode == 2
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
