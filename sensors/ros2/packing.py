"""A sample -> the message that stands for it in a recording, as ROS 2 tools expect it.

====================  =====================  ====================================================
vision                CompressedImage        jpeg, or png where nothing may be lost
depth                 Image, CameraInfo      16UC1 millimetres where that is exact, else 32FC1 m
thermal               Image                  16UC1 of 0.01 K where that is exact, else 32FC1 K
audio                 RawAudio (Foxglove's)  pcm-s16; pcm-f32 where nothing may be lost
imu                   Imu                    m/s2 and rad/s, no orientation
====================  =====================  ====================================================

Where 16 bits are not exact nothing is rounded: every sample of depth, thermal and IMU comes back to
the bit, and all of them in a lossless recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bindstream import depth, thermal
from bindstream.types import Array, DepthMeta, Modality, Sample
from sensors.ros2 import definitions as ros
from sensors.video.opencv import cv2

QUALITY = 95
FULL_SCALE = 32768
COUNT = {Modality.DEPTH: depth.SCALE_M, Modality.THERMAL: thermal.SCALE_K}
"""Metres or kelvin that one count of a 16UC1 picture stands for."""
_PNG_EFFORT = 1
"""Of nine: three times as fast as OpenCV's default, for a tenth more bytes."""
UNKNOWN = -1.0
"""As ``sensor_msgs/Imu`` has it, first in the covariance of what is not known."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How pictures and sound are kept. ``quality``: of JPEG, 1 to 100; None: nothing is lost."""

    quality: int | None = QUALITY

    def __str__(self) -> str:
        if self.quality is None:
            return "png, pcm-f32"
        return f"jpeg {self.quality}, pcm-s16"


def packed(sample: Sample, modality: Modality, rate_hz: float, codec: Codec) -> bytes:
    """One sample as CDR, of the type that ``kind_of`` names. ``rate_hz``: of a sound's signal."""
    match modality:
        case Modality.VISION:
            return _picture(sample, codec)
        case Modality.AUDIO:
            return _sound(sample, rate_hz, codec)
        case Modality.IMU:
            return _reading(sample)
        case _:
            return _measures(sample, modality)


def kind_of(modality: Modality) -> str:
    """The type of a modality's messages."""
    kinds = {
        Modality.VISION: ros.COMPRESSED,
        Modality.AUDIO: ros.RAW_AUDIO,
        Modality.IMU: ros.IMU,
    }
    return kinds.get(modality, ros.IMAGE)


def camera_info(sample: Sample, meta: DepthMeta) -> bytes:
    """What ROS tools want to know of a depth camera: P[0] is fx, P[3] is -fx times the baseline."""
    height, width = sample.data.shape
    fx, cx, cy = meta.fx_px, width / 2, height / 2
    camera = [fx, 0, cx, 0, fx, cy, 0, 0, 1]
    projected = [fx, 0, cx, -fx * meta.baseline_m, 0, fx, cy, 0, 0, 0, 1, 0]
    info = ros.made(
        ros.CAMERA_INFO,
        header=ros.header(sample.t_ns, sample.stream),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array(camera, np.float64),
        r=np.eye(3).ravel(),
        p=np.array(projected, np.float64),
        binning_x=0,
        binning_y=0,
        roi=ros.made(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )
    return ros.packed(ros.CAMERA_INFO, info)


def _picture(sample: Sample, codec: Codec) -> bytes:
    bgr = cv2.cvtColor(sample.data, cv2.COLOR_RGB2BGR)
    if codec.quality is None:
        name, how = "png", [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT]
    else:
        name, how = "jpeg", [cv2.IMWRITE_JPEG_QUALITY, codec.quality]
    done, data = cv2.imencode(f".{name}", bgr, how)
    if not done:
        raise ValueError(f"a picture of shape {sample.data.shape} cannot be written as {name}")
    header = ros.header(sample.t_ns, sample.stream)
    form = f"rgb8; {name} compressed bgr8"
    image = ros.made(ros.COMPRESSED, header=header, format=form, data=data.ravel())
    return ros.packed(ros.COMPRESSED, image)


def _measures(sample: Sample, modality: Modality) -> bytes:
    counts = exact_counts(sample.data, modality)
    encoding, kept = ("32FC1", sample.data) if counts is None else ("16UC1", counts)
    kept = np.ascontiguousarray(kept.astype(kept.dtype.newbyteorder("<"), copy=False))
    height, width = kept.shape
    image = ros.made(
        ros.IMAGE,
        header=ros.header(sample.t_ns, sample.stream),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * kept.itemsize,
        data=kept.view(np.uint8).ravel(),
    )
    return ros.packed(ros.IMAGE, image)


def exact_counts(data: Array, modality: Modality) -> Array | None:
    """(H, W) float32 -> uint16 counts that give the very same floats back; None where none do."""
    scaled = np.rint(data / np.float32(COUNT[modality]))
    if not ((scaled >= 0) & (scaled < depth.INVALID)).all():
        return None
    counts = scaled.astype(np.uint16)
    return counts if np.array_equal(measured(counts, modality, None), data) else None


def measured(frame: Array, modality: Modality, scale: float | None) -> Array:
    """(H, W) counts or floats of a picture -> float32 metres or kelvin."""
    of = depth.metres if modality is Modality.DEPTH else thermal.kelvin
    measures: Array = of(frame, scale)
    return measures


def _sound(sample: Sample, rate_hz: float, codec: Codec) -> bytes:
    if codec.quality is None:
        form, data = "pcm-f32", sample.data.astype("<f4", copy=False)
    else:
        form = "pcm-s16"
        whole = np.rint(sample.data * np.float32(FULL_SCALE))
        data = np.clip(whole, -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
    audio = ros.made(
        ros.RAW_AUDIO,
        timestamp=ros.stamp(sample.t_ns),
        data=np.ascontiguousarray(data).view(np.uint8),
        format=form,
        sample_rate=round(rate_hz),
        number_of_channels=1,
    )
    return ros.packed(ros.RAW_AUDIO, audio)


def _reading(sample: Sample) -> bytes:
    ax, ay, az, gx, gy, gz = map(float, sample.data)
    unknown = np.zeros(9)
    unknown[0] = UNKNOWN
    imu = ros.made(
        ros.IMU,
        header=ros.header(sample.t_ns, sample.stream),
        orientation=ros.made("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=unknown,
        angular_velocity=ros.made("geometry_msgs/msg/Vector3", x=gx, y=gy, z=gz),
        angular_velocity_covariance=np.zeros(9),
        linear_acceleration=ros.made("geometry_msgs/msg/Vector3", x=ax, y=ay, z=az),
        linear_acceleration_covariance=np.zeros(9),
    )
    return ros.packed(ros.IMU, imu)


def packings(
    sample: Sample, modality: Modality, rate_hz: float, codec: Codec
) -> Iterator[tuple[str, bytes]]:
    """The messages of a sample, each with its type: one, and of depth what its camera is."""
    if isinstance(sample.meta, DepthMeta):
        yield ros.CAMERA_INFO, camera_info(sample, sample.meta)
    yield kind_of(modality), packed(sample, modality, rate_hz, codec)
