"""An opened capture of OpenCV: its frames, and those that it fails to give.

One failed read is a bad frame; a second of them is the end.
"""

from __future__ import annotations

import time

from bindstream.errors import DeviceError, DeviceLost, DeviceUnavailable
from bindstream.types import Array
from sensors.video.ask import Ask
from sensors.video.opencv import cv2

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


class Grabber:
    """``bad`` counts reads that failed and pictures that were none, once one is good again."""

    def __init__(self, asked: Ask, capture: cv2.VideoCapture) -> None:
        self.bad = 0
        self._asked, self._capture = asked, capture
        self._encoded = False
        self._grabs, self._pictures = _Failing(), _Failing()

    def grab(self, error: type[DeviceError] = DeviceLost) -> bool:
        """Whether a frame was grabbed; raises once grabbing has failed for a second on end."""
        start_s = time.monotonic()
        if self._capture.grab():
            self.bad += self._grabs.end()
            return True
        self._fail(self._grabs, error, start_s)
        return False

    def picture(self) -> Array | None:
        """The frame grabbed; None where it is no picture. Raises DeviceLost after a second."""
        pixels = self._retrieve()
        if pixels is None:
            self._fail(self._pictures, DeviceLost)
            return None
        self.bad += self._pictures.end()
        return pixels

    def first(self) -> Array:
        """The first picture; a stream may begin in the middle of one. Raises DeviceUnavailable."""
        start_s = time.monotonic()
        while True:
            pixels = self._retrieve() if self._capture.grab() else None
            if pixels is not None:
                return pixels
            if time.monotonic() - start_s > FAILING_S:
                what = f"{self._asked.shown} opened but gave no frame"
                raise DeviceUnavailable(self._asked.stream, what)
            time.sleep(RETRY_S)

    def as_sent(self, decoded: Array) -> Array:
        """Have the JPEGs of a stream themselves, where they are such as OpenCV reads alone, and
        decode them here; the first of them, else what was ``decoded``."""
        if self._capture.get(cv2.CAP_PROP_FOURCC) != MJPEG:
            return decoded
        if not self._capture.set(cv2.CAP_PROP_FORMAT, -1):
            return decoded
        self._encoded = True
        return self.first()

    def close(self) -> None:
        """Release the device or the connection."""
        self._capture.release()

    def _retrieve(self) -> Array | None:
        pixels: Array | None
        good, pixels = self._capture.retrieve()
        if good and pixels is not None and self._encoded:
            pixels = cv2.imdecode(pixels.reshape(-1), cv2.IMREAD_COLOR) if pixels.size else None
        return pixels if good else None

    def _fail(
        self, failing: _Failing, error: type[DeviceError], since_s: float | None = None
    ) -> None:
        failed_s, n = failing.more(since_s), failing.count
        if failed_s >= FAILING_S:
            what = f"{self._asked.shown} gives no more frames: {n} reads failed in {failed_s:.1f} s"
            raise error(self._asked.stream, what)
        time.sleep(RETRY_S)
