"""Frames that come in their own time: V4L2 devices and network streams. The newest wins.

CAP_PROP_BUFFERSIZE is refused by OpenCV's FFMPEG and a stalled capture never recovers (measured;
docs/sensors.md): so what has queued up is passed over, and a failed read ends in DeviceLost.
"""

from __future__ import annotations

import time
from pathlib import Path

from bindstream.errors import DeviceError, DeviceLost, DeviceUnavailable, WrongFormat
from bindstream.types import Array
from sensors.driver import Clock
from sensors.opencv import cv2
from sensors.video_ask import Ask, Frame, check_rate, check_sane, check_size

BEHIND_S = 0.25
"""A reader away for longer than this finds old frames queued up."""
CATCH_UP_S = 2.0
FASTEST_HZ = 120.0
"""Where the rate is not known: a frame that came sooner than half this period was waiting."""
DEVICE_TOLERANCE = 0.1
NETWORK_TOLERANCE = 0.25
MEASURE_S = 1.0


class LiveVideo:
    """A camera device or a URL, read through OpenCV."""

    def __init__(self, asked: Ask) -> None:
        self.rate_hz: float | None = asked.rate_hz
        self.skipped = 0
        self._asked = asked
        self._capture: cv2.VideoCapture | None = None
        self._now_ns: Clock = time.time_ns
        self._returned_s = 0.0
        self._behind_until_s = 0.0
        self._seen: list[float] = []

    def open(self, now_ns: Clock) -> Array:
        """Open, read back what was asked, take one frame. See sensors.video_ask.Video."""
        self.close()
        self._now_ns = now_ns
        try:
            return self._open()
        except BaseException:
            self.close()
            raise

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame. A stalled source holds this up to ``read_timeout_s``."""
        capture = self._opened()
        deadline_s = time.monotonic() + timeout_s
        if time.monotonic() - self._returned_s > BEHIND_S:
            self._behind_until_s = time.monotonic() + CATCH_UP_S
        while not self._grab_is_newest(capture):
            self.skipped += 1
            if time.monotonic() >= deadline_s:
                self._returned_s = time.monotonic()
                return None
        self._behind_until_s = 0.0
        arrival_ns = self._now_ns()
        pixels = self._retrieve(capture)
        self._learn_rate()
        return Frame(pixels, arrival_ns, arrival_ns)

    def close(self) -> None:
        """Release the device or the connection."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()
        self._seen.clear()

    def _opened(self) -> cv2.VideoCapture:
        if self._capture is None:
            raise DeviceLost(self._asked.stream, "read before open")
        return self._capture

    def _open(self) -> Array:
        asked = self._asked
        capture = self._capture = self._connect()
        if not capture.isOpened():
            raise DeviceUnavailable(asked.stream, self._why_closed())
        if asked.is_device:
            self._set_up(capture)
        pixels: Array | None
        good, pixels = capture.read()
        if not good or pixels is None:
            raise DeviceUnavailable(asked.stream, f"{asked.shown} opened but gave no frame: busy?")
        check_size(asked, pixels)
        if asked.is_url and asked.rate_hz is not None:
            check_rate(asked, self._measure(capture), NETWORK_TOLERANCE)
        self._returned_s = time.monotonic()
        if asked.is_url:  # probing the stream has queued some frames up
            self._behind_until_s = self._returned_s + CATCH_UP_S
        return pixels

    def _connect(self) -> cv2.VideoCapture:
        asked = self._asked
        if asked.is_device:
            return cv2.VideoCapture(asked.source, cv2.CAP_V4L2)
        # One decoding thread: FFMPEG's frame threads hold back one frame each.
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(asked.open_timeout_s * 1000)]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(asked.read_timeout_s * 1000)]
        limits += [cv2.CAP_PROP_N_THREADS, asked.threads]
        capture = cv2.VideoCapture(str(asked.source), cv2.CAP_FFMPEG, limits)
        if asked.raw:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        return capture

    def _why_closed(self) -> str:
        asked = self._asked
        if asked.is_url:
            return f"{asked.shown} does not answer within {asked.open_timeout_s:g} s, or not video"
        path = device_path(asked.source)
        if not path.exists():
            return f"{path} is absent; `bindstream devices` lists what is there"
        return f"{path} cannot be opened: busy, no permission (group video), or no camera"

    def _set_up(self, capture: cv2.VideoCapture) -> None:
        """Order matters to V4L2: pixel format, then size, then rate."""
        asked = self._asked
        if asked.fourcc:
            self._choose_format(capture)
        if asked.raw:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        if asked.width:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, asked.width)
        if asked.height:
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.height)
        if asked.rate_hz:
            capture.set(cv2.CAP_PROP_FPS, asked.rate_hz)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        told_hz = capture.get(cv2.CAP_PROP_FPS)
        if told_hz > 0:
            check_rate(asked, told_hz, DEVICE_TOLERANCE)
            self.rate_hz = told_hz

    def _choose_format(self, capture: cv2.VideoCapture) -> None:
        for code in self._asked.fourcc:
            wanted = cv2.VideoWriter.fourcc(*code)
            capture.set(cv2.CAP_PROP_FOURCC, wanted)
            if int(capture.get(cv2.CAP_PROP_FOURCC)) == wanted:
                return
        got = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode("latin-1")
        raise WrongFormat(
            self._asked.stream,
            f"wanted pixel format {' or '.join(self._asked.fourcc)}, {self._asked.shown} gives "
            f"'{got}'; `v4l2-ctl --list-formats` shows what it has",
        )

    def _measure(self, capture: cv2.VideoCapture) -> float:
        """Frames per second over a second, after what was queued up has gone by.

        CAP_PROP_FPS cannot be believed: MJPEG over HTTP always says 25.
        """
        self._pass_backlog(capture)
        start_s = time.monotonic()
        seen = 0
        while (elapsed_s := time.monotonic() - start_s) < MEASURE_S or seen < 5:
            self._grab_or(capture, DeviceUnavailable)
            seen += 1
        return seen / elapsed_s

    def _pass_backlog(self, capture: cv2.VideoCapture) -> None:
        start_s = before_s = time.monotonic()
        while before_s - start_s < MEASURE_S:
            self._grab_or(capture, DeviceUnavailable)
            before_s, last_s = time.monotonic(), before_s
            if before_s - last_s > self._half_period_s():
                return

    def _grab_or(self, capture: cv2.VideoCapture, error: type[DeviceError]) -> None:
        if not capture.grab():
            raise error(self._asked.stream, f"{self._asked.shown} gives no more frames")

    def _half_period_s(self) -> float:
        return 0.5 / (self.rate_hz or FASTEST_HZ)

    def _grab_is_newest(self, capture: cv2.VideoCapture) -> bool:
        """Take a frame; it is the newest when we had to wait for it, or never fell behind."""
        before_s = time.monotonic()
        self._grab_or(capture, DeviceLost)
        now_s = time.monotonic()
        return now_s > self._behind_until_s or now_s - before_s > self._half_period_s()

    def _retrieve(self, capture: cv2.VideoCapture) -> Array:
        pixels: Array | None
        good, pixels = capture.retrieve()
        if not good or pixels is None:
            raise DeviceLost(self._asked.stream, f"{self._asked.shown} gave a frame but no picture")
        check_sane(self._asked, pixels)
        self._returned_s = time.monotonic()
        return pixels

    def _learn_rate(self) -> None:
        """The rate that health is judged by, where neither we nor the device said it."""
        if self.rate_hz is not None or len(self._seen) > 60:
            return
        self._seen.append(self._returned_s)
        if len(self._seen) > 60:
            self.rate_hz = 50 / (self._seen[60] - self._seen[10])


def device_path(source: int | str) -> Path:
    """The file of a V4L2 device."""
    return Path(f"/dev/video{source}" if isinstance(source, int) else source)
