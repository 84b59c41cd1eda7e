"""Video files and image sequences as cameras leave them; the 16-bit ones lossless."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def write_gray16(path: Path, frames: Sequence[NDArray[np.uint16]], rate_hz: float = 30) -> Path:
    """(H, W) uint16 frames -> FFV1 gray16 in Matroska, bit for bit."""
    return _ffmpeg(path, frames, rate_hz, "gray16le", ["-c:v", "ffv1", "-level", "3"])


def write_rgb(path: Path, frames: Sequence[NDArray[np.uint8]], rate_hz: float = 30) -> Path:
    """(H, W, 3) uint8 RGB frames -> FFV1, near lossless (bgr0), in whatever the suffix says."""
    return _ffmpeg(path, frames, rate_hz, "rgb24", ["-c:v", "ffv1", "-pix_fmt", "bgr0"])


def write_gray8(path: Path, frames: Sequence[NDArray[np.uint8]], rate_hz: float = 30) -> Path:
    """(H, W) uint8 frames -> FFV1 gray: what a depth driver must refuse."""
    return _ffmpeg(path, frames, rate_hz, "gray", ["-c:v", "ffv1", "-pix_fmt", "gray"])


def write_images(pattern: Path, frames: Sequence[NDArray[np.generic]], first: int = 0) -> Path:
    """Frames -> pictures by a printf pattern; RGB is stored as such; PNG or TIFF."""
    pattern.parent.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames, first):
        stored = frame[:, :, ::-1] if frame.ndim == 3 else frame
        assert cv2.imwrite(str(pattern) % index, stored)
    return pattern


def _ffmpeg(
    path: Path,
    frames: Sequence[NDArray[np.generic]],
    rate_hz: float,
    layout: str,
    coded: list[str],
) -> Path:
    height, width = frames[0].shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", layout, "-s", f"{width}x{height}", "-r", str(rate_hz)]
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-y", *raw, "-i", "-", *coded, str(path)],
        input=b"".join(np.ascontiguousarray(frame).tobytes() for frame in frames),
        check=True,
    )
    return path
