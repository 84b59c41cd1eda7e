"""Frames from files, given out in real time as a camera would: video files, image sequences."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Protocol

from bindstream.errors import DeviceLost, DeviceUnavailable, WrongFormat
from bindstream.types import Array
from sensors.driver import Clock
from sensors.opencv import cv2
from sensors.video_ask import Ask, Frame, check_rate, check_sane, check_size, ended

FILE_TOLERANCE = 0.02


class Reader(Protocol):
    """Frames in order, as fast as they are asked for."""

    rate_hz: float

    def next(self) -> Array | None:
        """The next frame, None at the end."""

    def skip(self) -> None:
        """Pass the next frame over, cheaply."""

    def close(self) -> None:
        """Release the file."""


class FileReader:
    """A video file, through OpenCV's FFMPEG."""

    def __init__(self, asked: Ask) -> None:
        path = Path(str(asked.source))
        if not path.is_file():
            raise DeviceUnavailable(asked.stream, f"no file {path}")
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise WrongFormat(asked.stream, f"{path} is not a video that OpenCV can read")
        if asked.raw:
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        told_hz = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = told_hz if 0 < told_hz <= 1000 else asked.rate_hz or 30.0

    def next(self) -> Array | None:
        """See Reader."""
        good, pixels = self._capture.read()
        return pixels if good else None

    def skip(self) -> None:
        """See Reader."""
        self._capture.grab()

    def close(self) -> None:
        """See Reader."""
        self._capture.release()


class ImageReader:
    """Pictures by a printf pattern (in the order of their numbers), a glob, or one picture."""

    def __init__(self, asked: Ask) -> None:
        self._asked = asked
        self._paths = pictures(Path(str(asked.source)))
        if not self._paths:
            raise DeviceUnavailable(asked.stream, f"no file matches {asked.source}")
        self._at = 0
        self.rate_hz = asked.rate_hz or 30.0

    def next(self) -> Array | None:
        """See Reader. Raises WrongFormat for a file that is no picture."""
        if self._at >= len(self._paths):
            return None
        path = self._paths[self._at]
        self._at += 1
        how = cv2.IMREAD_UNCHANGED if self._asked.raw else cv2.IMREAD_COLOR
        pixels: Array | None = cv2.imread(str(path), how)
        if pixels is None:
            raise WrongFormat(self._asked.stream, f"{path} is not a picture that OpenCV can read")
        return pixels

    def skip(self) -> None:
        """See Reader."""
        self._at += 1

    def close(self) -> None:
        """Nothing is held open."""


def pictures(pattern: Path) -> list[Path]:
    """The files that a pattern means, in order."""
    if "*" in pattern.name:
        return sorted(pattern.parent.glob(pattern.name))
    head, conversion, tail = _split(pattern.name)
    if not conversion:
        return [pattern] if pattern.is_file() else []
    named = re.compile(re.escape(head) + r"(\d+)" + re.escape(tail) + r"\Z")
    if not pattern.parent.is_dir():
        return []
    found = [(named.match(path.name), path) for path in pattern.parent.iterdir()]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def _split(name: str) -> tuple[str, str, str]:
    match = re.search(r"%0?\d*d", name)
    return (name[: match.start()], match[0], name[match.end() :]) if match else (name, "", "")


class PacedVideo:
    """A Reader, given out at its own rate. Frame k is due k periods after opening."""

    def __init__(self, asked: Ask) -> None:
        self.rate_hz: float | None = asked.rate_hz
        self.skipped = 0
        self._asked = asked
        self._reader: Reader | None = None
        self._pending: Array | None = None
        self._ended = False
        self._now_ns: Clock = time.time_ns
        self._start_ns = 0
        self._index = 0

    def open(self, now_ns: Clock) -> Array:
        """Open and decode the first frame; it is given out first. See sensors.video_ask.Video."""
        self.close()
        if self._ended:  # opening again must not mean playing again
            raise DeviceUnavailable(self._asked.stream, str(ended(self._asked)).partition(": ")[2])
        try:
            self._pending = pixels = self._open()
        except BaseException:
            self.close()
            raise
        self._now_ns, self._index = now_ns, 0
        self._start_ns = now_ns()
        return pixels

    def next(self, timeout_s: float) -> Frame | None:
        """The frame that is due; those that are overdue by a period are passed over."""
        if self._reader is None:
            raise DeviceLost(self._asked.stream, "read before open")
        due_ns = self._due_ns(self._index)
        wait_s = (due_ns - self._now_ns()) / 1e9
        if wait_s > 0:
            time.sleep(min(wait_s, max(timeout_s, 0.0)))
            if wait_s > timeout_s:
                return None
        self._catch_up()
        due_ns = self._due_ns(self._index)
        pixels = self._take()
        self._index += 1
        return Frame(pixels, due_ns, max(due_ns, self._now_ns()))

    def close(self) -> None:
        """Close the file."""
        reader, self._reader, self._pending = self._reader, None, None
        if reader is not None:
            reader.close()

    def _open(self) -> Array:
        self._reader = self._new_reader()
        self.rate_hz = self._reader.rate_hz
        check_rate(self._asked, self.rate_hz, FILE_TOLERANCE)
        pixels = self._reader.next()
        if pixels is None:
            raise WrongFormat(self._asked.stream, f"{self._asked.shown} holds no frame")
        check_size(self._asked, pixels)
        return pixels

    def _new_reader(self) -> Reader:
        return ImageReader(self._asked) if self._asked.is_images else FileReader(self._asked)

    def _due_ns(self, index: int) -> int:
        return self._start_ns + round(index * 1e9 / (self.rate_hz or 30.0))

    def _catch_up(self) -> None:
        late_ns = self._now_ns() - self._due_ns(self._index)
        n_late = int(late_ns * (self.rate_hz or 30.0) / 1e9)
        for _ in range(n_late):
            if self._pending is not None:
                self._pending = None
            elif self._reader is not None:
                self._reader.skip()
        self._index += n_late
        self.skipped += n_late

    def _take(self) -> Array:
        pixels, self._pending = self._pending, None
        if pixels is None and self._reader is not None:
            pixels = self._reader.next()
        if pixels is None and self._asked.loop:
            pixels = self._rewind()
        if pixels is None:
            self._ended = not self._asked.loop
            raise ended(self._asked)
        check_sane(self._asked, pixels)
        return pixels

    def _rewind(self) -> Array | None:
        if self._reader is not None:
            self._reader.close()
        self._reader = self._new_reader()
        return self._reader.next()
