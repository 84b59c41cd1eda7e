"""Real devices through the real libraries, to a subscriber in another process, at the right time.

A step of light, a click and a jolt at known times must lie inside exactly the windows that show
them. The toy encoder's vector is the mean size of fifteen stretches of the window, so that a test
can read off it when something happened.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bindstream import Embedding, Subscriber
from tests.devices.mjpeg_server import MjpegServer
from tests.devices.pulse import PulseServer, pcm16, pulse_server
from tests.devices.serial_port import SerialDevice, at_rest
from tests.devices.video_files import write_gray16
from tests.patience import Stalls
from tests.system.robot import Robot, free_port
from tests.system.test_overload import TOY

pytestmark = [pytest.mark.ray, pytest.mark.daemon, pytest.mark.timeout(900)]
EDGE_NS = 300_000_000
LATENCY_NS = {"front": 200, "rear": 600, "ears": 150, "imu": 50}  # ms, as docs/sensors.md has it
FILE_HZ = 10.0
STEP_FRAME = 60


@dataclass
class Scene:
    """The devices, when things happened (Unix ns), and what a subscriber received."""

    camera: MjpegServer
    imu: SerialDevice
    happened: dict[str, int] = field(default_factory=dict)
    seen: list[Embedding] = field(default_factory=list)
    stalls: Stalls = field(default_factory=Stalls)

    def of(self, stream: str) -> list[Embedding]:
        return [e for e in self.seen if e.stream == stream]


def picture(level: int) -> Any:
    return lambda _: np.full((240, 320, 3), level, np.uint8)


def steps(low: int, high: int) -> list[np.ndarray]:
    """Two minutes are not needed: twelve seconds, a step after six."""
    return [
        np.full((60, 80), low if i < STEP_FRAME else high, np.uint16) for i in range(2 * STEP_FRAME)
    ]


def streams(scene: Scene, rear: str, folder: Path) -> list[dict[str, Any]]:
    depth = write_gray16(folder / "depth.mkv", steps(1000, 4000), FILE_HZ)
    thermal = write_gray16(folder / "thermal.mkv", steps(29000, 40000), FILE_HZ)
    return [
        {"name": "front", "modality": "vision", "driver": "camera",
         "options": {"source": scene.camera.url}},
        {"name": "rear", "modality": "vision", "driver": "camera",
         "options": {"source": rear}},
        {"name": "ears", "modality": "audio", "driver": "microphone",
         "options": {"device": "robotmic"}},
        {"name": "imu", "modality": "imu", "driver": "imu",
         "options": {"port": scene.imu.port, "protocol": "witmotion", "rate_hz": 200}},
        {"name": "depth", "modality": "depth", "driver": "depth",
         "options": {"source": str(depth), "fx_px": 300.0, "baseline_m": 0.05}},
        {"name": "thermal", "modality": "thermal", "driver": "thermal",
         "options": {"source": str(thermal)}},
    ]  # fmt: skip


@contextmanager
def mpegts_sender() -> Iterator[str]:
    """A camera that sends MPEG-TS over UDP, whoever listens; its URL."""
    url = f"udp://127.0.0.1:{free_port()}"
    command = ["ffmpeg", "-loglevel", "error", "-nostdin", "-re", "-threads", "1", "-f", "lavfi"]
    command += ["-i", "testsrc=size=320x240:rate=15", "-c:v", "mpeg2video", "-q:v", "5"]
    command += ["-g", "15", "-bf", "0", "-f", "mpegts", f"{url}?pkt_size=1316"]
    sender = subprocess.Popen(command)
    try:
        yield url
    finally:
        sender.kill()
        sender.wait()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("real")
    with (
        pulse_server() as pulse,
        MjpegServer(picture(30)) as camera,
        mpegts_sender() as rear,
        SerialDevice(200.0) as imu,
    ):
        scene = Scene(camera, imu)
        args = {
            "encoder": {"kind": TOY, "weights": None},
            "streams": streams(scene, rear, folder),
        }
        with Robot(folder, args, env=pulse.environment) as robot:
            for stream in ("front", "rear", "ears", "imu", "depth", "thermal"):
                robot.wait_for("embedding", stream, 1)
            with scene.stalls:
                watch(scene, robot, pulse)
            for stream in ("depth", "thermal"):
                scene.seen += [as_embedding(r) for r in robot.of("embedding", stream)]
            assert robot.stop() == 0
        yield scene


def as_embedding(record: dict[str, Any]) -> Any:
    class Seen:
        stream = record["stream"]
        seq, start_ns, end_ns = record["seq"], record["start_ns"], record["end_ns"]
        vector = np.array(record["vector"], np.float32)

    return Seen


def watch(scene: Scene, robot: Robot, pulse: PulseServer) -> None:
    """Fourteen seconds of subscribing; light, click and jolt in their middle."""
    topics = [f"embedding/robot/{s}/" for s in ("front", "rear", "ears", "imu")]
    player = pulse.open_player()
    assert player.stdin is not None
    with Subscriber(robot.endpoint, topics=topics) as reader:
        begin_s = time.monotonic()
        done = False
        block = np.zeros(960, np.float32)  # 20 ms
        played = 0
        while time.monotonic() < begin_s + 15:
            message = reader.receive(0.01)
            if isinstance(message, Embedding):
                scene.seen.append(message)
            # keep the sound card fed 60 ms ahead, in real time
            while played * 0.02 < time.monotonic() - begin_s + 0.06:
                loud = 5.0 <= played * 0.02 < 5.1
                if loud and "ears" not in scene.happened:
                    scene.happened["ears"] = time.time_ns()
                player.stdin.write(pcm16(block + (0.8 if loud else 0.0)))
                player.stdin.flush()
                played += 1
            if not done and time.monotonic() > begin_s + 5:
                done = True
                scene.camera.picture = picture(220)
                scene.happened["front"] = time.time_ns()
                scene.imu.motion = lambda _: (30.0, 0.0, 9.8, 0.0, 0.0, 0.0)
                scene.happened["imu"] = time.time_ns()
            if done and time.time_ns() > scene.happened["imu"] + 300_000_000:
                scene.imu.motion = at_rest
    player.stdin.close()


def contains(e: Embedding, t_ns: int, stream: str, late_ns: int) -> bool:
    latest_ns = t_ns + LATENCY_NS.get(stream, 0) * 10**6 + late_ns
    return e.start_ns <= latest_ns and t_ns < e.end_ns


def well_inside(e: Embedding, t_ns: int, late_ns: int) -> bool:
    return e.start_ns + EDGE_NS <= t_ns <= e.end_ns - EDGE_NS - late_ns


def check_times(scene: Scene, stream: str, shows: Any) -> None:
    """Every window that shows the event holds its time, every one that holds it well shows it."""
    t_ns = scene.happened[stream]
    windows = scene.of(stream)
    showing = [e for e in windows if shows(e)]
    assert showing, f"no window of {stream} shows what happened"
    late_ns = round(3e9 * scene.stalls.worst_s())  # device, driver and we, each for itself
    for e in showing:
        assert contains(e, t_ns, stream, late_ns), (stream, (t_ns - e.start_ns) / 1e6)
    for e in windows:
        if well_inside(e, t_ns, late_ns):
            assert shows(e), (stream, (t_ns - e.start_ns) / 1e6, e.vector)


def test_a_step_of_light_lies_in_the_windows_that_show_it(scene: Scene) -> None:
    """Fails when frames of an MJPEG camera are stamped late or put in the wrong window."""
    check_times(scene, "front", lambda e: e.vector[-1] > 2 * e.vector[1])


def test_a_click_lies_in_the_windows_that_show_it(scene: Scene) -> None:
    """Fails when sound from a real sound server is stamped wrongly, or is torn."""
    check_times(scene, "ears", lambda e: e.vector[1:].max() > 0.01)


def test_a_jolt_lies_in_the_windows_that_show_it(scene: Scene) -> None:
    """Fails when serial readings are stamped by anything but their own time."""
    quiet = min(float(e.vector[1:4].max()) for e in scene.of("imu"))
    check_times(scene, "imu", lambda e: e.vector[1:4].max() > quiet + 0.05)


def test_a_step_in_16_bit_depth_and_heat_comes_at_its_frame(scene: Scene) -> None:
    """Fails when a 16-bit file is not paced by its own rate, or is read as 8 bits.

    Window 0 ends half a second to a second after the file's first frame, at the grid's next tick.
    """
    for stream in ("depth", "thermal"):
        levels = [(e.seq, float(e.vector[0])) for e in scene.of(stream)]
        low = max(level for _, level in levels)  # the constant's share shrinks as values grow
        first_high = next(seq for seq, level in levels if level < 0.9 * low)
        after_s = first_high * 0.5
        assert STEP_FRAME / FILE_HZ - 1.0 <= after_s <= STEP_FRAME / FILE_HZ + 0.5


def test_an_mpegts_camera_delivers(scene: Scene) -> None:
    """Fails when a network stream other than HTTP is not read."""
    rear = scene.of("rear")
    assert len(rear) >= 15
    assert all(abs(float(np.linalg.norm(e.vector)) - 1) < 1e-4 for e in rear)


def test_ages_are_stated_and_small(scene: Scene) -> None:
    """Fails when stamps of publisher and reader disagree on one host."""
    ages = [e.age_ms for e in scene.of("front")[4:]]
    assert 0 < float(np.median(ages)) < 300 + 3e3 * scene.stalls.worst_s()
