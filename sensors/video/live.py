"""Frames that come in their own time: V4L2 devices and network streams. The newest wins.

CAP_PROP_BUFFERSIZE is refused by OpenCV's FFMPEG and a stalled capture never recovers (measured;
docs/sensors.md): so what has queued up is passed over. One failed read is a bad frame; a second of
them ends in DeviceLost. Motion JPEG is taken as it is sent and decoded here: OpenCV's FFMPEG would
squeeze a picture of another size into the first one's, and of other codecs it does.
"""

from __future__ import annotations

import time

from bindstream.errors import DeviceLost
from bindstream.types import Array
from sensors.driver import Clock
from sensors.stillness import Stillness
from sensors.video.ask import Ask, Frame, check_rate, check_sane, check_size
from sensors.video.backlog import Backlog, SeenRate, measured_hz
from sensors.video.connect import connect, set_up
from sensors.video.grabber import Grabber

NETWORK_TOLERANCE = 0.25


class LiveVideo:
    """A camera device or a URL, read through OpenCV."""

    def __init__(self, asked: Ask) -> None:
        self.rate_hz: float | None = asked.rate_hz
        self.skipped = 0
        self.resized = 0
        self.still = Stillness()
        self._asked = asked
        self._past_bad = 0
        self._size: tuple[int, ...] = ()
        self._grabber: Grabber | None = None
        self._now_ns: Clock = time.time_ns
        self._backlog, self._seen = Backlog(begins=False), SeenRate()

    @property
    def bad(self) -> int:
        """Reads that failed and pictures that were none."""
        return self._past_bad + (self._grabber.bad if self._grabber else 0)

    def open(self, now_ns: Clock) -> Array:
        """Open, read back what was asked, take one frame. See sensors.video.ask.Video."""
        self.close()
        self._now_ns = now_ns
        try:
            return self._open()
        except BaseException:
            self.close()
            raise

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame. A stalled source holds this up to ``read_timeout_s``."""
        if self._grabber is None:
            raise DeviceLost(self._asked.stream, "read before open")
        deadline_s = time.monotonic() + timeout_s
        self._backlog.enter()
        while True:
            newest = self._grab_is_newest(self._grabber)
            if newest and (frame := self._frame(self._grabber)) is not None:
                self._backlog.passed()
                self._backlog.leave()
                self._learn_rate()
                return frame
            if time.monotonic() >= deadline_s:
                self._backlog.leave()
                return None

    def close(self) -> None:
        """Release the device or the connection."""
        grabber, self._grabber = self._grabber, None
        if grabber is not None:
            self._past_bad += grabber.bad
            grabber.close()

    def _open(self) -> Array:
        asked = self._asked
        capture = connect(asked)
        grabber = self._grabber = Grabber(asked, capture)
        if asked.is_device:
            self.rate_hz = set_up(asked, capture) or self.rate_hz
        pixels = grabber.first()
        if asked.is_url and not asked.raw:
            pixels = grabber.as_sent(pixels)
        check_size(asked, pixels)
        self._size = pixels.shape[:2]
        self.still.forget()
        if asked.is_url and asked.rate_hz is not None:
            check_rate(asked, measured_hz(grabber, self.rate_hz), NETWORK_TOLERANCE)
        # probing a stream has queued some frames up
        self._backlog, self._seen = Backlog(begins=asked.is_url), SeenRate()
        return pixels

    def _grab_is_newest(self, grabber: Grabber) -> bool:
        """Take a frame; it is the newest when we had to wait for it, or never fell behind."""
        before_s = time.monotonic()
        if not grabber.grab():
            return False
        newest = self._backlog.is_newest(before_s, self.rate_hz)
        self.skipped += not newest
        return newest

    def _frame(self, grabber: Grabber) -> Frame | None:
        arrival_ns = self._now_ns()
        pixels = grabber.picture()
        if pixels is None:
            return None
        check_sane(self._asked, pixels)
        self._note_size(pixels)
        self.still.see(pixels, arrival_ns)
        return Frame(pixels, arrival_ns, arrival_ns)

    def _note_size(self, pixels: Array) -> None:
        """A camera was turned, or set to another size: fine, unless one size was asked for."""
        size, before = pixels.shape[:2], self._size
        if size == before:
            return
        self.resized += 1
        self._size = size
        if self._asked.width or self._asked.height:
            raise DeviceLost(
                self._asked.stream,
                f"{self._asked.shown} changed from {before[1]}x{before[0]} to {size[1]}x{size[0]}",
            )

    def _learn_rate(self) -> None:
        """The rate that health is judged by, where neither we nor the device said it."""
        if self.rate_hz is None:
            self.rate_hz = self._seen.add(self._backlog.returned_s)
