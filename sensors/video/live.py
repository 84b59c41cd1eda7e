"""Frames that come in their own time: V4L2 devices and network streams. The newest wins.

CAP_PROP_BUFFERSIZE is refused by OpenCV's FFMPEG and a stalled capture never recovers (measured;
docs/sensors.md): so what has queued up is passed over. One failed read is a bad frame; a second of
them ends in DeviceLost. Motion JPEG is taken as it is sent and decoded here: OpenCV's FFMPEG would
squeeze a picture of another size into the first one's.
"""

from __future__ import annotations

import os
import time

from bindstream.errors import DeviceBusy, DeviceError, DeviceLost, DeviceUnavailable, WrongFormat
from bindstream.types import Array
from sensors.driver import Clock
from sensors.video.ask import Ask, Frame, check_rate, check_sane, check_size
from sensors.video.opencv import cv2
from sensors.video.v4l2 import captures, device_path

BEHIND_S = 0.25
"""A reader away for longer than this finds old frames queued up."""
CATCH_UP_S = 2.0
FASTEST_HZ = 120.0
"""Where the rate is not known: a frame that came sooner than half this period was waiting."""
DEVICE_TOLERANCE = 0.1
NETWORK_TOLERANCE = 0.25
MEASURE_S = 1.0
FAILING_S = 1.0
"""Reads that fail for so long are no bad frames but the end."""
RETRY_S = 0.01
MJPEG = cv2.VideoWriter.fourcc(*"MJPG")


class _Failing:
    """Reads that fail in a row: since when, and how many."""

    def __init__(self) -> None:
        self.count = 0
        self._since_s = 0.0

    def more(self, since_s: float | None) -> float:
        """One more, begun at ``since_s`` (None: now); for how long that goes on now, s."""
        now_s = time.monotonic()
        if not self.count:
            self._since_s = now_s if since_s is None else since_s
        self.count += 1
        return now_s - self._since_s

    def end(self) -> int:
        """One did not fail: how many there were."""
        count, self.count = self.count, 0
        return count


class LiveVideo:
    """A camera device or a URL, read through OpenCV."""

    def __init__(self, asked: Ask) -> None:
        self.rate_hz: float | None = asked.rate_hz
        self.skipped = 0
        self.bad = 0
        self.resized = 0
        self._asked = asked
        self._encoded = False
        self._size: tuple[int, ...] = ()
        self._grabs, self._pictures = _Failing(), _Failing()
        self._capture: cv2.VideoCapture | None = None
        self._now_ns: Clock = time.time_ns
        self._returned_s = 0.0
        self._behind_until_s = 0.0
        self._seen: list[float] = []

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
        capture = self._opened()
        deadline_s = time.monotonic() + timeout_s
        if time.monotonic() - self._returned_s > BEHIND_S:
            self._behind_until_s = time.monotonic() + CATCH_UP_S
        while True:
            newest = self._grab_is_newest(capture)
            if newest and (frame := self._frame(capture)) is not None:
                self._behind_until_s = 0.0
                self._learn_rate()
                return frame
            if time.monotonic() >= deadline_s:
                self._returned_s = time.monotonic()
                return None

    def _frame(self, capture: cv2.VideoCapture) -> Frame | None:
        arrival_ns = self._now_ns()
        pixels = self._retrieve(capture)
        if pixels is None:
            self._fail(self._pictures, DeviceLost)
            return None
        self.bad += self._pictures.end()
        check_sane(self._asked, pixels)
        self._note_size(pixels)
        self._returned_s = time.monotonic()
        return Frame(pixels, arrival_ns, arrival_ns)

    def close(self) -> None:
        """Release the device or the connection."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()
        self._encoded = False
        self._seen.clear()

    def _opened(self) -> cv2.VideoCapture:
        if self._capture is None:
            raise DeviceLost(self._asked.stream, "read before open")
        return self._capture

    def _open(self) -> Array:
        asked = self._asked
        capture = self._capture = self._connect()
        if not capture.isOpened():
            raise self._why_closed()
        if asked.is_device:
            self._set_up(capture)
        self._grabs, self._pictures = _Failing(), _Failing()
        pixels = self._first(capture)
        if asked.is_url and not asked.raw and capture.get(cv2.CAP_PROP_FOURCC) == MJPEG:
            pixels = self._as_sent(capture, pixels)
        check_size(asked, pixels)
        self._size = pixels.shape[:2]
        if asked.is_url and asked.rate_hz is not None:
            check_rate(asked, self._measure(capture), NETWORK_TOLERANCE)
        self._returned_s = time.monotonic()
        if asked.is_url:  # probing the stream has queued some frames up
            self._behind_until_s = self._returned_s + CATCH_UP_S
        return pixels

    def _first(self, capture: cv2.VideoCapture) -> Array:
        """The first picture; a stream may begin in the middle of one."""
        start_s = time.monotonic()
        while True:
            pixels = self._retrieve(capture) if capture.grab() else None
            if pixels is not None:
                return pixels
            if time.monotonic() - start_s > FAILING_S:
                what = f"{self._asked.shown} opened but gave no frame"
                raise DeviceUnavailable(self._asked.stream, what)
            time.sleep(RETRY_S)

    def _as_sent(self, capture: cv2.VideoCapture, decoded: Array) -> Array:
        """Ask for the JPEGs themselves, where they are such as OpenCV reads alone; one of them."""
        if not capture.set(cv2.CAP_PROP_FORMAT, -1):
            return decoded
        self._encoded = True
        return self._first(capture)

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

    def _why_closed(self) -> DeviceUnavailable:
        asked = self._asked
        if asked.is_url:
            what = f"does not answer within {asked.open_timeout_s:g} s, or not video"
            return DeviceUnavailable(asked.stream, f"{asked.shown} {what}")
        path = device_path(asked.source)
        if not path.exists():
            what = f"{path} is absent; `bindstream devices` lists what is there"
            return DeviceUnavailable(asked.stream, what)
        if not os.access(path, os.R_OK | os.W_OK):
            what = f"no permission for {path}: add this user to the group video"
            return DeviceUnavailable(asked.stream, what)
        if captures(path):
            return DeviceBusy(asked.stream, f"{path} is busy: another program has it open")
        return DeviceUnavailable(asked.stream, f"{path} cannot be opened: it is no camera")

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
            seen += self._grab_or(capture, DeviceUnavailable)
        return seen / elapsed_s

    def _pass_backlog(self, capture: cv2.VideoCapture) -> None:
        start_s = before_s = time.monotonic()
        while before_s - start_s < MEASURE_S:
            self._grab_or(capture, DeviceUnavailable)
            before_s, last_s = time.monotonic(), before_s
            if before_s - last_s > self._half_period_s():
                return

    def _grab_or(self, capture: cv2.VideoCapture, error: type[DeviceError]) -> bool:
        """Whether a frame was grabbed; raises once grabbing has failed for a second on end."""
        start_s = time.monotonic()
        if capture.grab():
            self.bad += self._grabs.end()
            return True
        self._fail(self._grabs, error, start_s)
        return False

    def _fail(
        self, failing: _Failing, error: type[DeviceError], since_s: float | None = None
    ) -> None:
        failed_s, n = failing.more(since_s), failing.count
        if failed_s >= FAILING_S:
            what = f"{self._asked.shown} gives no more frames: {n} reads failed in {failed_s:.1f} s"
            raise error(self._asked.stream, what)
        time.sleep(RETRY_S)

    def _half_period_s(self) -> float:
        return 0.5 / (self.rate_hz or FASTEST_HZ)

    def _grab_is_newest(self, capture: cv2.VideoCapture) -> bool:
        """Take a frame; it is the newest when we had to wait for it, or never fell behind."""
        before_s = time.monotonic()
        if not self._grab_or(capture, DeviceLost):
            return False
        now_s = time.monotonic()
        newest = now_s > self._behind_until_s or now_s - before_s > self._half_period_s()
        self.skipped += not newest
        return newest

    def _retrieve(self, capture: cv2.VideoCapture) -> Array | None:
        """The picture grabbed; None where it is none."""
        pixels: Array | None
        good, pixels = capture.retrieve()
        if good and pixels is not None and self._encoded:
            pixels = cv2.imdecode(pixels.reshape(-1), cv2.IMREAD_COLOR) if pixels.size else None
        return pixels if good else None

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
        if self.rate_hz is not None or len(self._seen) > 60:
            return
        self._seen.append(self._returned_s)
        if len(self._seen) > 60:
            self.rate_hz = 50 / (self._seen[60] - self._seen[10])
