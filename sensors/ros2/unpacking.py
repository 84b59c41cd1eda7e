"""A message of ROS 2 -> the sample that it stands for: ours, and those of ROS 2 robots.

Anybody's bag may hold anything: what cannot be read raises InvalidInput, which says what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array, DepthMeta, Modality, Sample
from sensors.ros2 import definitions as ros
from sensors.ros2.packing import FULL_SCALE, UNKNOWN, measured
from sensors.video.opencv import cv2

AHEAD_NS, BEHIND_NS = 1_000_000_000, 60_000_000_000
"""A stamp farther from its recording than that is of a clock of its own, or was never set."""
_MEASURED = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
_TO_RGB = {
    "rgb8": None,
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "8UC3": cv2.COLOR_BGR2RGB,
    "8UC1": cv2.COLOR_GRAY2RGB,
}
_CHANNELS = {"rgb8": 3, "bgr8": 3, "8UC3": 3, "rgba8": 4, "bgra8": 4}
_DEPTH_HEADER = 12
"""Bytes before the picture of ``compressed_depth_image_transport``: a type and two floats."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stream's messages are to be taken for. ``scale``: metres or kelvin of one count, None
    for the usual; ``meta``: of a depth camera."""

    stream: str
    modality: Modality
    scale: float | None = None
    meta: DepthMeta | None = None


def unpacked(reading: Reading, kind: str, data: bytes | memoryview, arrival_ns: int) -> Sample:
    """The sample of a message of type ``kind`` that was recorded at ``arrival_ns``.

    Its time is that of its header, or, where that is no time near it, of its recording. Raises
    InvalidInput for what cannot be read.
    """
    stamp_ns, array = read(reading, kind, data)
    near = -AHEAD_NS <= arrival_ns - stamp_ns <= BEHIND_NS
    t_ns = stamp_ns if near else arrival_ns
    return Sample(reading.stream, t_ns, array, max(arrival_ns, t_ns), reading.meta)


def read(reading: Reading, kind: str, data: bytes | memoryview) -> tuple[int, Array]:
    """The stamp of a message of type ``kind``, Unix ns of its writer's clock (0: never set), and
    the data of its sample. Raises InvalidInput for what cannot be read."""
    try:
        return _READERS[kind](ros.unpacked(kind, data), reading)
    except InvalidInput:
        raise
    except Exception as error:  # damaged bytes provoke anything
        raise InvalidInput(f"{kind}: not read: {type(error).__name__}: {error!s:.200}") from error


def modality_of(kind: str, data: bytes | memoryview) -> Modality | None:
    """What a message most likely shows: 16 bits a pixel are depth. None for what is no sample."""
    fixed = {ros.IMU: Modality.IMU, ros.RAW_AUDIO: Modality.AUDIO}
    if kind in fixed:
        return fixed[kind]
    try:
        message = ros.unpacked(kind, data)
        if kind == ros.COMPRESSED:
            return Modality.DEPTH if "compressedDepth" in message.format else Modality.VISION
        return Modality.DEPTH if message.encoding in _MEASURED else Modality.VISION
    except Exception:
        return None


def depth_meta(data: bytes | memoryview) -> tuple[float, float | None]:
    """Of a CameraInfo: fx in pixels, and the baseline in metres where it states one."""
    info = ros.unpacked(ros.CAMERA_INFO, data)
    fx_px = float(info.p[0]) or float(info.k[0])
    baseline_m = -float(info.p[3]) / fx_px if fx_px else 0.0
    return fx_px, baseline_m if baseline_m > 0 else None


def sound_rate(data: bytes | memoryview) -> int:
    """Samples per second of a RawAudio."""
    return int(ros.unpacked(ros.RAW_AUDIO, data).sample_rate)


def _compressed(message: Any, reading: Reading) -> tuple[int, Array]:
    raw = np.frombuffer(message.data, np.uint8)
    if reading.modality is Modality.VISION:
        pixels = cv2.imdecode(raw, cv2.IMREAD_COLOR)
        if pixels is None:
            raise InvalidInput(f"no picture that OpenCV reads ({message.format})")
        array: Array = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    else:
        skipped = _DEPTH_HEADER if "compressedDepth" in message.format else 0
        counts = cv2.imdecode(raw[skipped:], cv2.IMREAD_UNCHANGED)
        if counts is None:
            raise InvalidInput(f"no picture that OpenCV reads ({message.format})")
        array = measured(counts, reading.modality, reading.scale)
    return ros.nanoseconds(message.header.stamp), array


def _image(message: Any, reading: Reading) -> tuple[int, Array]:
    if reading.modality is Modality.VISION:
        array = _colours(message)
    elif message.encoding in _MEASURED:
        kind = (">" if message.is_bigendian else "<") + _MEASURED[message.encoding]
        array = measured(_grid(message, np.dtype(kind)), reading.modality, reading.scale)
    else:
        wanted = ", ".join(_MEASURED)
        raise InvalidInput(f"{reading.modality}: wants {wanted}, got '{message.encoding}'")
    return ros.nanoseconds(message.header.stamp), array


def _colours(message: Any) -> Array:
    if message.encoding not in _TO_RGB:
        raise InvalidInput(f"vision: wants {', '.join(_TO_RGB)}, got '{message.encoding}'")
    channels = _CHANNELS.get(message.encoding, 1)
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    code = _TO_RGB[message.encoding]
    array: Array = pixels.copy() if code is None else cv2.cvtColor(pixels, code)
    return array


def _grid(message: Any, dtype: np.dtype[Any]) -> Array:
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    return rows[:, : message.width * dtype.itemsize].copy().view(dtype)


def _audio(message: Any, _: Reading) -> tuple[int, Array]:
    kinds = {"pcm-s16": "<i2", "pcm-f32": "<f4"}
    if message.format not in kinds:
        raise InvalidInput(f"audio: wants {' or '.join(kinds)}, got '{message.format}'")
    samples = np.frombuffer(message.data, kinds[message.format])
    first = samples.reshape(-1, max(1, message.number_of_channels))[:, 0]
    scale = np.float32(FULL_SCALE if message.format == "pcm-s16" else 1)
    array: Array = first.astype(np.float32) / scale
    return ros.nanoseconds(message.timestamp), array


def _reading(message: Any, _: Reading) -> tuple[int, Array]:
    felt, turned = message.linear_acceleration, message.angular_velocity
    for name in ("linear_acceleration", "angular_velocity"):
        if getattr(message, f"{name}_covariance")[0] == UNKNOWN:
            raise InvalidInput(f"imu: {name} is said to be unknown (-1 in its covariance)")
    six = [felt.x, felt.y, felt.z, turned.x, turned.y, turned.z]
    return ros.nanoseconds(message.header.stamp), np.array(six, np.float32)


_READERS: dict[str, Callable[[Any, Reading], tuple[int, Array]]] = {
    ros.COMPRESSED: _compressed,
    ros.IMAGE: _image,
    ros.RAW_AUDIO: _audio,
    ros.IMU: _reading,
}
KINDS = frozenset(_READERS)
"""Types of messages that are samples."""
