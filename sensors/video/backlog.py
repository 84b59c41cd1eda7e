"""Which frame is the newest, and how many come in a second, told by how long we wait for them."""

from __future__ import annotations

import time

from bindstream.errors import DeviceUnavailable
from sensors.video.grabber import Grabber

BEHIND_S = 0.25
"""A reader away for longer than this finds old frames queued up."""
CATCH_UP_S = 2.0
FASTEST_HZ = 120.0
"""Where the rate is not known: a frame that came sooner than half this period was waiting."""
MEASURE_S = 1.0


class Backlog:
    """Frames that may wait at the source, since it was opened or its reader was away."""

    def __init__(self, *, begins: bool) -> None:
        """``begins``: some wait now, as after a stream was probed."""
        self.returned_s = time.monotonic()
        self._until_s = self.returned_s + CATCH_UP_S if begins else 0.0

    def enter(self) -> None:
        """The reader is here again, perhaps after a while."""
        now_s = time.monotonic()
        if now_s - self.returned_s > BEHIND_S:
            self._until_s = now_s + CATCH_UP_S

    def leave(self) -> None:
        """The reader has what there is, or nothing."""
        self.returned_s = time.monotonic()

    def passed(self) -> None:
        """A frame was the newest, and was taken: none is older."""
        self._until_s = 0.0

    def is_newest(self, before_s: float, rate_hz: float | None) -> bool:
        """Of a frame for which we waited since ``before_s``: either we never fell behind, or it
        took its time to come."""
        now_s = time.monotonic()
        return now_s > self._until_s or now_s - before_s > half_period_s(rate_hz)


class SeenRate:
    """Frames per second where neither we nor the device said how many: from fifty of them."""

    def __init__(self) -> None:
        self._seen_s: list[float] = []

    def add(self, at_s: float) -> float | None:
        """A frame came; the rate, once it is known."""
        self._seen_s.append(at_s)
        if len(self._seen_s) <= 60:
            return None
        return 50 / (self._seen_s[60] - self._seen_s[10])


def measured_hz(grabber: Grabber, rate_hz: float | None) -> float:
    """Frames per second over a second, after what was queued up has gone by.

    CAP_PROP_FPS cannot be believed: MJPEG over HTTP always says 25.
    """
    _pass_by(grabber, rate_hz)
    start_s, seen = time.monotonic(), 0
    while (elapsed_s := time.monotonic() - start_s) < MEASURE_S or seen < 5:
        seen += grabber.grab(DeviceUnavailable)
    return seen / elapsed_s


def _pass_by(grabber: Grabber, rate_hz: float | None) -> None:
    start_s = before_s = time.monotonic()
    while before_s - start_s < MEASURE_S:
        grabber.grab(DeviceUnavailable)
        before_s, last_s = time.monotonic(), before_s
        if before_s - last_s > half_period_s(rate_hz):
            return


def half_period_s(rate_hz: float | None) -> float:
    """A frame that came sooner had been waiting."""
    return 0.5 / (rate_hz or FASTEST_HZ)
