"""A RealSense: librealsense's own software device, and files that its recorder wrote."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

WIDTH, HEIGHT, FX_PX = 320, 240, 200.0


def scene(index: int, unit_m: float = 0.001) -> NDArray[np.uint16]:
    """A wall at 2 m that comes a millimetre nearer with each frame; holes in a corner."""
    counts = np.full((HEIGHT, WIDTH), round((2.0 - index * 0.001) / unit_m), np.uint16)
    counts[:10, :10] = 0
    return counts


class SoftwareCamera:
    """Gives ``picture(index)`` at 30 Hz while in its context. ``frozen`` repeats the last picture;
    ``mute`` gives nothing; ``first_ms`` is the camera's clock at the first frame."""

    def __init__(self, unit_m: float = 0.001, baseline_mm: float | None = 50.0) -> None:
        self.frozen = self.mute = False
        self.first_ms = 5000.0
        self.given: list[tuple[int, float]] = []
        self._unit_m = unit_m
        self._ended = threading.Event()
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.serial_number, "0123")
        self._sensor = self.device.add_sensor("Stereo Module")
        self._profile = self._sensor.add_video_stream(_stream())
        self._sensor.add_read_only_option(rs.option.depth_units, unit_m)
        if baseline_mm is not None:
            self._sensor.add_read_only_option(rs.option.stereo_baseline, baseline_mm)
        self._thread = threading.Thread(target=self._give)

    def __enter__(self) -> SoftwareCamera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _give(self) -> None:
        start_s, index, shown = time.monotonic(), 0, 0
        while not self._ended.wait(max(0.0, start_s + index / 30 - time.monotonic())):
            shown = shown if self.frozen else index
            if not self.mute:
                self.given.append((index, time.monotonic()))
                self.give(index, shown)
            index += 1

    def give(self, index: int, shown: int) -> None:
        """One frame, of number ``index``."""
        frame = rs.software_video_frame()
        frame.pixels = scene(shown, self._unit_m)
        frame.stride, frame.bpp = WIDTH * 2, 2
        frame.timestamp = self.first_ms + index * 1000 / 30
        frame.domain = rs.timestamp_domain.hardware_clock
        frame.frame_number = index
        frame.profile = self._profile.as_video_stream_profile()
        frame.depth_units = self._unit_m
        self._sensor.on_video_frame(frame)


def record(path: Path, n: int, unit_m: float = 0.001) -> Path:
    """A file of n frames, by librealsense's recorder, in real time."""
    camera = SoftwareCamera(unit_m)
    recorder = rs.recorder(str(path), camera.device)
    (sensor,) = recorder.query_sensors()
    (profile,) = sensor.get_stream_profiles()
    sensor.open(profile)
    sensor.start(rs.frame_queue(1))
    for index in range(n):
        camera.give(index, index)
        time.sleep(1 / 30)
    sensor.stop()
    sensor.close()
    del recorder, sensor
    gc.collect()  # it finishes the file with its last reference
    return path


def _stream() -> Any:
    lens = rs.intrinsics()
    lens.width, lens.height, lens.fx, lens.fy = WIDTH, HEIGHT, FX_PX, FX_PX
    lens.ppx, lens.ppy, lens.model, lens.coeffs = WIDTH / 2, HEIGHT / 2, rs.distortion.none, [0] * 5
    stream = rs.video_stream()
    stream.type, stream.index, stream.uid = rs.stream.depth, 0, 1
    stream.width, stream.height, stream.fps, stream.bpp = WIDTH, HEIGHT, 30, 2
    stream.fmt, stream.intrinsics = rs.format.z16, lens
    return stream
