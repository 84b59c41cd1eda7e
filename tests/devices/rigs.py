"""One working device per driver, and one that is absent: for tests that hold for every driver."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bindstream.feed import Feed, Inbox
from bindstream.types import Modality
from tests.devices import ros2_robot
from tests.devices.drives import samples_of, write
from tests.devices.mjpeg_server import MjpegServer
from tests.devices.pulse import DEVICE, pulse_server
from tests.devices.serial_port import SerialDevice
from tests.devices.video_files import write_gray16

Options = dict[str, Any]
Serving = Callable[[], None]
"""Called while a driver is read: gives it something, where the device does not by itself."""

OFFSET_NS = 3_600 * 10**9
"""A robot's clock minus CLOCK_MONOTONIC: it is not this machine's wall clock."""
OPTICS = {"fx_px": 400.0, "baseline_m": 0.05}


def _nothing() -> None:
    """The device gives samples by itself."""


@contextlib.contextmanager
def working(driver: str, stream: str, folder: Path) -> Iterator[tuple[Options, Serving]]:
    """Options of that driver which open a real device, for as long as the context lasts."""
    with _RIGS[driver](stream, folder) as rig:
        yield rig


def absent(driver: str) -> Options | None:
    """Options of that driver whose device is not there; None where there is always one."""
    return {
        "camera": {"source": "/dev/video222"},
        "microphone": {"device": "no such microphone"},
        "depth": {"source": "/nowhere/depth.mkv"} | OPTICS,
        "thermal": {"source": "/nowhere/%d.png", "rate_hz": 9},
        "imu": {"port": "/dev/ttyUSB222"},
        "realsense": {"file": "/nowhere/drive.db3"},
        "push": {"modality": "vision"},  # held by another, see `held`
        "world": None,
        "recording": {"file": "/nowhere/drive.mcap", "modality": "vision"},
        "ros2": {"topic": "/eye", "modality": "vision", "router": "tcp/127.0.0.1:1"},
    }[driver]


@contextlib.contextmanager
def held(driver: str, stream: str) -> Iterator[None]:
    """Take away what a driver needs beside its options: the pushed stream's name."""
    if driver != "push":
        yield
        return
    inbox = Inbox(stream, "vision")
    try:
        yield
    finally:
        inbox.close()


@contextlib.contextmanager
def _camera(_stream: str, _folder: Path) -> Iterator[tuple[Options, Serving]]:
    with MjpegServer() as server:
        yield {"source": server.url}, _nothing


@contextlib.contextmanager
def _microphone(_stream: str, _folder: Path) -> Iterator[tuple[Options, Serving]]:
    with pulse_server() as server, pytest.MonkeyPatch.context() as patch:
        for key, value in server.environment.items():
            patch.setenv(key, value)
        yield {"device": DEVICE}, _nothing


@contextlib.contextmanager
def _depth(_stream: str, folder: Path) -> Iterator[tuple[Options, Serving]]:
    frames = [np.full((48, 64), 1500 + i, np.uint16) for i in range(10)]
    path = write_gray16(folder / "depth.mkv", frames, 30)
    yield {"source": str(path), "loop": True} | OPTICS, _nothing


@contextlib.contextmanager
def _thermal(_stream: str, folder: Path) -> Iterator[tuple[Options, Serving]]:
    frames = [np.full((48, 64), 29500 + i, np.uint16) for i in range(10)]
    path = write_gray16(folder / "thermal.mkv", frames, 30)
    yield {"source": str(path), "loop": True}, _nothing


@contextlib.contextmanager
def _imu(_stream: str, _folder: Path) -> Iterator[tuple[Options, Serving]]:
    with SerialDevice(200) as device:
        yield {"port": device.port}, _nothing


@contextlib.contextmanager
def _realsense(_stream: str, folder: Path) -> Iterator[tuple[Options, Serving]]:
    from tests.devices.realsense import record

    yield {"file": str(record(folder / "drive.db3", 20)), "loop": True}, _nothing


@contextlib.contextmanager
def _push(stream: str, _folder: Path) -> Iterator[tuple[Options, Serving]]:
    with Feed(stream) as feed:
        frame = np.zeros((48, 64, 3), np.uint8)

        def serve() -> None:
            feed.push(frame)
            time.sleep(0.02)

        yield {"modality": "vision"}, serve


@contextlib.contextmanager
def _world(_stream: str, _folder: Path) -> Iterator[tuple[Options, Serving]]:
    yield {"modality": "vision"}, _nothing


@contextlib.contextmanager
def _recording(stream: str, folder: Path) -> Iterator[tuple[Options, Serving]]:
    starts_ns = time.monotonic_ns() + OFFSET_NS - 10**9
    samples = samples_of(Modality.VISION, starts_ns, 2.0, stream=stream)
    yield {"file": str(write(folder / "drive.mcap", samples)), "modality": "vision"}, _nothing


@contextlib.contextmanager
def _ros2(_stream: str, _folder: Path) -> Iterator[tuple[Options, Serving]]:
    def picture(n: int) -> Any:
        return ros2_robot.image(time.time_ns(), np.full((48, 64, 3), n % 256, np.uint8))

    with ros2_robot.Router() as router:
        publisher = ros2_robot.Publisher(router.address, "/eye", "sensor_msgs/msg/Image")
        with publisher, ros2_robot.Talker(publisher, 30.0, picture):
            yield {"topic": "/eye", "modality": "vision", "router": router.address}, _nothing


_RIGS = {
    "camera": _camera,
    "microphone": _microphone,
    "depth": _depth,
    "thermal": _thermal,
    "imu": _imu,
    "realsense": _realsense,
    "push": _push,
    "world": _world,
    "recording": _recording,
    "ros2": _ros2,
}
