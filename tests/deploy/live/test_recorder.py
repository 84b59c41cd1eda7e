"""``bindstream record`` as a user runs it, beside a robot that is whole but for Ray."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bindstream.types import Embedding, Event, Modality, Sample, Scene
from sensors.recording.bag import Bag
from sensors.recording.mcap_file import McapFile
from sensors.ros2 import definitions as ros
from sensors.ros2.unpacking import Reading
from sensors.world import look, script
from tests.pipeline.robot import Robot

STREAMS = {"front": "vision", "ears": "audio", "imu": "imu"}
WAIT_S = 60.0
IMU_NS = 2_500_000


@pytest.fixture(scope="module")
def robot() -> Iterator[Robot]:
    """A live one with a camera, a microphone and an IMU of the simulated world."""
    with Robot(*STREAMS) as robot:
        for name, modality in STREAMS.items():
            robot.start(
                name,
                modality=Modality(modality),
                driver="world",
                options={"modality": modality},
                hop_s=0.5,
            )
        for name in STREAMS:
            robot.wait(Embedding, stream=name, timeout_s=WAIT_S)
        yield robot


class Record:
    """The verb, running. ``lines``: what it printed so far."""

    def __init__(
        self,
        robot: Robot,
        path: Path,
        *words: str,
        most_bytes: int | None = None,
        folder: Path | None = None,
    ) -> None:
        def limit() -> None:
            if most_bytes:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        command = [sys.executable, "-m", "bindstream.command.cli", "record", robot.plan.endpoint]
        command += ["--out", str(path), "--json", *words]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        env["BINDSTREAM_RUNTIME_DIR"] = str(folder or robot.folder)
        self.lines: list[dict] = []
        self.process = subprocess.Popen(
            command, stdout=-1, stderr=-1, text=True, env=env, preexec_fn=limit
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def until(self, samples: int, stream: str = "imu") -> None:
        """Until it has so many."""
        end_s = time.monotonic() + WAIT_S
        while not any(line["samples"].get(stream, 0) >= samples for line in self.lines):
            assert time.monotonic() < end_s, self.lines[-1:]
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)

    def errors(self) -> Iterator[str]:
        """Its complaints, as they come."""
        yield from iter(self.process.stderr.readline, "")

    def stop(self) -> dict:
        """Ctrl-C; its last line."""
        self.process.send_signal(signal.SIGINT)
        assert self.ended() == 0
        return self.lines[-1]

    def ended(self) -> int:
        code = self.process.wait(WAIT_S)
        end_s = time.monotonic() + WAIT_S
        while code == 0 and (not self.lines or self.lines[-1]["kind"] != "recorded"):
            assert time.monotonic() < end_s
            time.sleep(0.02)
        return code

    def _collect(self) -> None:
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


def read(path: Path) -> dict[str, list[Sample]]:
    bag = Bag(path)
    return {
        t.stream: [s for s in bag.samples(t, Reading(t.stream, t.modality), pytest.fail) if s]
        for t in bag.tracks()
    }


def said(path: Path, ending: str) -> list:
    """The messages of topics that end so, unpacked."""
    found = filter(None, McapFile(path).messages(lambda topic: topic.name.endswith(ending)))
    return [ros.unpacked(message.topic.kind, message.data) for message in found]


def gapless(samples: list[Sample]) -> bool:
    """Whether none is missing or twice; the world's own times are floats."""
    return all(abs(b.t_ns - a.t_ns - IMU_NS) < 1000 for a, b in pairwise(samples))


def test_a_recording_holds_all_that_was_sensed_and_said(robot, tmp_path):
    """Breaks if a sample is missing, comes twice or was changed on its way to the disk; if what
    readers were told is not in the file; or if nobody is told that it is recorded."""
    path = tmp_path / "a.mcap"
    with Record(robot, path, "--lossless") as record:
        record.until(1200)
        last = record.stop()
    assert (last["lost"], last["failure"], last["robot"]) == ({}, "", "rover")
    found = read(path)
    assert {name: len(samples) for name, samples in found.items()} == last["samples"]
    assert gapless(found["imu"])
    heard = found["ears"]
    assert all(abs(b.t_ns - a.t_ns - len(a.data) * 62_500) < 1000 for a, b in pairwise(heard))
    seen = found["front"][3]
    state = script.state_at(0, script.world_s(seen.t_ns), None)
    assert np.array_equal(seen.data, look.frame(state, script.world_s(seen.t_ns)))
    told = {m.seq: m for m in robot.of(Embedding, stream="front")}
    recorded = said(path, "/front/embedding")
    assert len(recorded) >= 3
    for one in recorded:
        assert np.array_equal(one.vector, told[one.seq].vector)
        assert (one.start_ns, one.end_ns, one.epoch) == (
            told[one.seq].start_ns,
            told[one.seq].end_ns,
            told[one.seq].epoch,
        )
    scenes = {scene.seq for scene in robot.of(Scene)}
    assert {scene.seq for scene in said(path, "/scene")} <= scenes
    names = [e.name for e in robot.wait(Event, name="recording_ended")]
    assert names == ["recording_ended"]
    assert "recording_started" in {e.name for e in said(path, "/events")}


def test_killed_it_loses_at_most_a_second(robot, tmp_path):
    """Breaks if samples wait in the recorder for longer: kill -9, and the file is read to within a
    second of the end (more where this machine kept everybody waiting)."""
    path, late_s, quiet = tmp_path / "a.mcap", [0.0], threading.Event()

    def watch() -> None:
        while not quiet.is_set():
            began_s = time.monotonic()
            time.sleep(0.01)
            late_s[0] = max(late_s[0], time.monotonic() - began_s - 0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with Record(robot, path) as record:
        record.until(1200)
        offset_ns = robot.publish._clock.offset_ns
        record.process.kill()
        killed_ns = time.monotonic_ns() + offset_ns
        assert record.process.wait(WAIT_S) == -signal.SIGKILL
    quiet.set()
    watcher.join()
    found = read(path)
    assert gapless(found["imu"])
    assert set(found) == set(STREAMS)
    missing_s = (killed_ns - found["imu"][-1].t_ns) / 1e9
    assert missing_s <= 1.0 + 20 * late_s[0]


def test_a_full_disk_ends_the_recording_and_not_the_robot(robot, tmp_path):
    """Breaks if a disk that fills up takes the robot's streams along, costs what was recorded
    before, or goes unnoticed by the robot's readers."""
    path = tmp_path / "a.mcap"
    before = len(robot.events("recording_failed"))
    with Record(robot, path, most_bytes=1_500_000) as record:
        assert record.ended() == 1
        complaint = record.process.stderr.read()
    assert str(path) in complaint
    assert "can be read" in complaint
    (event,) = robot.wait(Event, before + 1, name="recording_failed")[before:]
    assert str(path) in event.detail["why"]
    found = read(path)
    assert len(found["imu"]) > 10
    assert gapless(found["imu"])
    n = len(robot.of(Embedding, stream="imu"))
    robot.wait(Embedding, n + 3, stream="imu")
    assert path.stat().st_size <= 1_500_000


def test_split_files_can_be_read_alone_and_hold_everything_together(robot, tmp_path):
    """Breaks if a sample is lost between two files, or a file needs the one before it; or if the
    oldest stay though only the newest were to be kept."""
    with Record(robot, tmp_path / "a.mcap", "--split-s", "1", "--keep", "3") as record:
        record.until(2400)
        last = record.stop()
    files = sorted(tmp_path.iterdir(), key=lambda f: f.stat().st_mtime)
    assert [str(f) for f in files] == last["files"]
    assert 2 <= len(files) <= 3
    assert not (tmp_path / "a.mcap").exists()
    parts = [read(file)["imu"] for file in files]
    assert all(gapless(part) for part in parts)
    assert gapless([sample for part in parts for sample in part])


def test_samples_that_cannot_be_had_are_missed(robot, tmp_path):
    """Breaks if a recorder that looks for the streams' sockets in another folder records no sample
    and says nothing of it."""
    elsewhere = tmp_path / "run"
    elsewhere.mkdir(mode=0o700)
    with Record(robot, tmp_path / "a.mcap", folder=elsewhere) as record:
        assert any("no samples of" in line and str(elsewhere) in line for line in record.errors())
        record.stop()
    assert len(said(tmp_path / "a.mcap", "/front/embedding")) >= 1


def test_only_the_streams_that_are_wanted(robot, tmp_path):
    """Breaks if --streams records the others too."""
    path = tmp_path / "a.mcap"
    with Record(robot, path, "--streams", "imu") as record:
        record.until(400)
        assert set(record.stop()["samples"]) == {"imu"}
    assert set(read(path)) == {"imu"}
    assert said(path, "/front/embedding") == []


def test_a_file_that_is_there_is_not_written_over(robot, tmp_path):
    """Breaks if yesterday's drive is lost to today's."""
    path = tmp_path / "a.mcap"
    path.write_text("yesterday")
    with Record(robot, path) as record:
        assert record.ended() == 2
        assert "is there already" in record.process.stderr.read()
    assert path.read_text() == "yesterday"
