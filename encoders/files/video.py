"""Video files -> frames and their times.

A container's count and rate are hearsay: frames are counted by decoding them, and their own times
decide where the rate that the file tells disagrees. A frame that cannot be decoded is not the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array
from encoders.files.decoding import decoding

FASTEST_HZ = 500.0
"""No ordinary camera gives more: 1000 is what a muxer writes that was told no rate."""
_AGREE = 0.05
_MOST_BAD = 60
"""So many reads may fail in a row; at the end of a file each returns at once."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The frames of a video that can be decoded. ``rate_hz``: frames per second. ``times_s``: each
    one's own, from the first; None where the rate tells them all."""

    count: int
    rate_hz: float
    times_s: tuple[float, ...] | None = None


def quiet_cv2() -> ModuleType:
    """OpenCV, told to be silent: what it cannot read is refused in our words. (Before its first
    import only.)"""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    module: ModuleType = cv2
    return module


def read_video(path: Path, wanted: list[int]) -> Array:
    """Frames of a video by number -> uint8 (len(wanted), H, W, 3) RGB.

    One whose picture is damaged is replaced by the next that is not, else by the last.
    """
    with decoding(path, "a video"):
        due, got, last = sorted(set(wanted)), {}, None
        for n, _, pixels in _decoded(path, lambda n: bool(due) and n >= due[0]):
            while pixels is not None and due and due[0] <= n:
                got[due.pop(0)] = pixels
            last = pixels if pixels is not None else last
        if last is None or len({pixels.shape for pixels in got.values()}) > 1:
            raise InvalidInput("not a video whose frames can be decoded to one size")
        return np.stack([got.get(n, last) for n in wanted])


def video_length(path: Path) -> tuple[int, float]:
    """Number of frames that can be decoded, and frames per second."""
    found = timeline(path)
    return found.count, found.rate_hz


def timeline(path: Path, rate_hz: float | None = None) -> Timeline:
    """How many frames there are, and when. ``rate_hz`` states the true rate where the file lies.

    Raises InvalidInput for a rate that no camera has, where no frame's time says better.
    """
    with decoding(path, "a video"):
        cv2 = quiet_cv2()
        times = np.array([at_s for _, at_s, _ in _decoded(path, lambda _: False)])
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        told_hz = float(capture.get(cv2.CAP_PROP_FPS))
        capture.release()
        if not len(times):
            raise InvalidInput("not a video that can be read: no frame can be decoded")
        if rate_hz is not None:
            return Timeline(len(times), rate_hz)
        return _judged(times, told_hz)


def _judged(times_s: Array, told_hz: float) -> Timeline:
    count = len(times_s)
    told = np.isfinite(told_hz) and told_hz > 0
    timed = count > 1 and bool((np.diff(times_s) > 0).all())
    seen_hz = (count - 1) / float(times_s[-1] - times_s[0]) if timed else told_hz
    if told and told_hz <= FASTEST_HZ and (not timed or _alike(told_hz, seen_hz, count)):
        return Timeline(count, told_hz)
    if timed and seen_hz <= FASTEST_HZ:
        return Timeline(count, seen_hz, tuple(float(t - times_s[0]) for t in times_s))
    raise InvalidInput(
        f"tells {told_hz:g} frames per second, which no camera gives: state the true rate by"
        " --video-rate-hz, or write the file again with it"
    )


def _alike(told_hz: float, seen_hz: float, count: int) -> bool:
    """Whether both give one length of the video, to a twentieth or a frame and a half."""
    told_s, seen_s = (count - 1) / told_hz, (count - 1) / seen_hz
    return abs(told_s - seen_s) <= max(_AGREE * seen_s, 1.5 / told_hz)


def _decoded(
    path: Path, wanted: Callable[[int], bool]
) -> Iterator[tuple[int, float, Array | None]]:
    """(number, time in s, pixels) of every frame that can be decoded; pixels where ``wanted``."""
    cv2 = quiet_cv2()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    n = failed = 0
    try:
        while failed < _MOST_BAD:
            if not capture.grab():
                failed += 1
                continue
            failed = 0
            at_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield n, at_s, _pixels(capture) if wanted(n) else None
            n += 1
    finally:
        capture.release()


def _pixels(capture: Any) -> Array | None:
    pixels: Array | None
    good, pixels = capture.retrieve()
    return pixels[:, :, ::-1] if good and pixels is not None and pixels.ndim == 3 else None
