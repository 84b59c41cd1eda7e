"""Frames from files, given out in real time as a camera would: video files, image sequences."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from bindstream.errors import DeviceLost, DeviceUnavailable, StreamEnded, WrongFormat
from bindstream.types import Array
from sensors.driver import Clock
from sensors.stillness import Stillness
from sensors.video.ask import Ask, Frame, check_rate, check_sane, check_size, end_of
from sensors.video.images import ImageReader
from sensors.video.opencv import cv2

FILE_TOLERANCE = 0.02
FASTEST_HZ = 240.0
"""No camera that fills a robot's file is faster: a header that says so was never filled in."""
ROUNDED_S = 0.0011
"""Matroska rounds times to milliseconds: so near to even spacing, they are even."""
LOOK_AHEAD = 50
"""Frames whose times tell a file's rate."""


class Reader(Protocol):
    """Frames in order, as fast as they are asked for."""

    rate_hz: float

    def grab(self) -> float | None:
        """Go to the next frame: seconds since the first one, None at the end."""

    def picture(self) -> Array | None:
        """The frame grabbed; None where it is no picture."""

    def close(self) -> None:
        """Release the file."""


class FileReader:
    """A video file, through OpenCV's FFMPEG.

    Frames have the times that the file gives them. Its header's rate is believed only where these
    times agree with it, or there are none. Raises DeviceUnavailable, WrongFormat.
    """

    def __init__(self, asked: Ask) -> None:
        self._asked = asked
        self._path = path = Path(str(asked.source))
        if not path.is_file():
            raise DeviceUnavailable(asked.stream, f"no file {path}")
        self._capture = self._opened()
        told_hz = self._capture.get(cv2.CAP_PROP_FPS)
        times_s = self._first_times()
        self._timed = _rising(times_s)
        self.rate_hz = told_hz
        if self._timed and abs(_rate_hz(times_s) - told_hz) > FILE_TOLERANCE / 4 * told_hz:
            self.rate_hz = _rate_hz(times_s)
        self._index = 0
        if not 0 < self.rate_hz <= FASTEST_HZ:
            self._untold()
        self._capture.release()
        self._capture = self._opened()

    def grab(self) -> float | None:
        """See Reader. A damaged place is passed over; the end is where nothing follows for as many
        tries as a second has frames."""
        for _ in range(max(10, round(self.rate_hz))):
            if self._capture.grab():
                break
        else:
            return None
        index, self._index = self._index, self._index + 1
        even_s = index / self.rate_hz
        if not self._timed:
            return even_s
        at_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3
        return even_s if abs(at_s - even_s) < ROUNDED_S else at_s

    def picture(self) -> Array | None:
        """See Reader."""
        pixels: Array | None
        good, pixels = self._capture.retrieve()
        return pixels if good else None

    def close(self) -> None:
        """See Reader."""
        self._capture.release()

    def _opened(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            what = f"{self._path} is not a video that OpenCV can read"
            raise WrongFormat(self._asked.stream, what)
        if self._asked.raw:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        return capture

    def _first_times(self) -> list[float]:
        times_s: list[float] = []
        while len(times_s) < LOOK_AHEAD and self._capture.grab():
            times_s.append(float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3)
        return times_s

    def _untold(self) -> None:
        """The file does not tell its rate: what was asked for is the rate, if anything was."""
        if self._asked.rate_hz is None:
            self.close()
            raise WrongFormat(
                self._asked.stream,
                f"{self._path} says that it has {self.rate_hz:g} frames per second, which no "
                "camera gives: set rate_hz to the rate it was recorded at",
            )
        self._timed, self.rate_hz = False, self._asked.rate_hz


def _rising(times_s: list[float]) -> bool:
    """Whether these are times: each after the one before."""
    return len(times_s) > 1 and all(a < b for a, b in pairwise(times_s))


def _rate_hz(times_s: list[float]) -> float:
    return (len(times_s) - 1) / (times_s[-1] - times_s[0])


class PacedVideo:
    """A Reader, given out in its own time: a frame is due as long after opening as in the file."""

    def __init__(self, asked: Ask) -> None:
        self.rate_hz: float | None = asked.rate_hz
        self.skipped = 0
        self.bad = 0
        self.resized = 0
        self.still = Stillness()  # what a file holds is right, also one picture
        self._asked = asked
        self._reader: Reader | None = None
        self._pending: Array | None = None
        self._size: tuple[int, ...] = ()
        self._ended = False
        self._now_ns: Clock = time.time_ns
        self._start_ns = 0
        self._due_s: float | None = None
        self._rounds_s = 0.0  # since opening, when this round's first frame was due
        self._last_s = 0.0

    def open(self, now_ns: Clock) -> Array:
        """Open and decode the first frame; it is given out first. See sensors.video.ask.Video."""
        self.close()
        if self._ended:  # opening again must not mean playing again
            raise StreamEnded(self._asked.stream, end_of(self._asked))
        try:
            self._pending = pixels = self._open()
        except BaseException:
            self.close()
            raise
        self._now_ns = now_ns
        self._start_ns = now_ns()
        return pixels

    def next(self, timeout_s: float) -> Frame | None:
        """The frame that is due; those that are overdue by a period are passed over."""
        if self._reader is None:
            raise DeviceLost(self._asked.stream, "read before open")
        if self._due_s is None:
            self._due_s = self._grab(self._reader)
        due_ns = self._due_ns(self._due_s)
        wait_s = (due_ns - self._now_ns()) / 1e9
        if wait_s > 0:
            time.sleep(min(wait_s, max(timeout_s, 0.0)))
            if wait_s > timeout_s:
                return None
        due_ns = self._caught_up(due_ns)
        pixels, self._pending, self._due_s = self._picture(), None, None
        if pixels is None:
            self.bad += 1
            return None
        check_sane(self._asked, pixels)
        self.resized += pixels.shape[:2] != self._size
        self._size = pixels.shape[:2]
        return Frame(pixels, due_ns, max(due_ns, self._now_ns()))

    def close(self) -> None:
        """Close the file."""
        reader, self._reader, self._pending = self._reader, None, None
        self._due_s = None
        if reader is not None:
            reader.close()

    def _open(self) -> Array:
        self._reader = reader = self._new_reader()
        self.rate_hz = reader.rate_hz
        check_rate(self._asked, self.rate_hz, FILE_TOLERANCE)
        pixels = None
        while pixels is None:
            first_s = reader.grab()
            if first_s is None:
                raise WrongFormat(self._asked.stream, f"{self._asked.shown} holds no frame")
            pixels = reader.picture()
            self._rounds_s = -first_s  # the first picture is due now
        self._due_s = 0.0
        check_size(self._asked, pixels)
        self._size = pixels.shape[:2]
        return pixels

    def _new_reader(self) -> Reader:
        return ImageReader(self._asked) if self._asked.is_images else FileReader(self._asked)

    def _due_ns(self, due_s: float) -> int:
        return self._start_ns + round(due_s * 1e9)

    def _caught_up(self, due_ns: int) -> int:
        """Pass over what is overdue by a period; when the frame is due that then is next."""
        period_ns = 1e9 / (self.rate_hz or 30.0)
        while self._reader is not None and self._now_ns() - due_ns >= period_ns:
            self._pending = None
            self._due_s = self._grab(self._reader)
            due_ns = self._due_ns(self._due_s)
            self.skipped += 1
        return due_ns

    def _picture(self) -> Array | None:
        if self._pending is not None or self._reader is None:
            return self._pending
        return self._reader.picture()

    def _grab(self, reader: Reader) -> float:
        """Go to the next frame, over the end where the file is repeated: seconds after opening."""
        at_s = reader.grab()
        if at_s is None and self._asked.loop:
            reader = self._rewind(reader)
            at_s = reader.grab()
        if at_s is None:
            self._ended = not self._asked.loop
            raise StreamEnded(self._asked.stream, end_of(self._asked))
        self._last_s = self._rounds_s + at_s
        return self._last_s

    def _rewind(self, reader: Reader) -> Reader:
        reader.close()
        self._reader = again = self._new_reader()
        self._rounds_s = self._last_s + 1 / again.rate_hz
        return again
