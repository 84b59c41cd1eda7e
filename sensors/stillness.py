"""Whether a live source repeats its last frame or reading, and so is frozen. Pure."""

from __future__ import annotations

import numpy as np

from bindstream.types import Array

LEAST_S, PERIODS = 0.5, 3
"""A source is frozen once it has given one and the same frame for so long, in seconds and in
periods: a sensor's noise lets no two frames be equal."""
READINGS = 20
"""Of an IMU, whose six numbers may be equal by chance, it takes so many."""
STEP = 8
"""Of how many lines and columns one is compared first: that costs nothing, and tells all but
frozen frames apart."""


class Stillness:
    """``stale`` counts frames that were equal, number for number, to the one before. ``repeats``:
    so many on end are frozen."""

    def __init__(self, repeats: int = PERIODS, what: str = "frame") -> None:
        self.stale = 0
        self._least, self._what = repeats, what
        self._last: Array | None = None
        self._changed_ns = self._seen_ns = 0
        self._repeats = 0

    def see(self, pixels: Array, arrival_ns: int) -> None:
        """Take note of a frame. It is kept, so it must not be filled again."""
        if self._last is not None and _same(self._last, pixels):
            self.stale += 1
            self._repeats += 1
        else:
            self._changed_ns, self._repeats = arrival_ns, 0
        self._last, self._seen_ns = pixels, arrival_ns

    def forget(self) -> None:
        """The source was opened anew."""
        self._last, self._repeats = None, 0

    def stalled_s(self, rate_hz: float) -> float:
        """For how long the source has been frozen, s; 0 where it is not."""
        still_s = (self._seen_ns - self._changed_ns) / 1e9
        frozen = self._repeats >= self._least and still_s >= max(LEAST_S, PERIODS / rate_hz)
        return still_s if frozen else 0.0

    def why(self, rate_hz: float) -> str:
        """In words; "" where it is not frozen."""
        still_s = self.stalled_s(rate_hz)
        return f"one and the same {self._what} for {still_s:.1f} s: the source is frozen" * (
            still_s > 0
        )


def _same(last: Array, pixels: Array) -> bool:
    if last.shape != pixels.shape:
        return False
    some = (slice(None, None, STEP),) * min(2, last.ndim)
    return np.array_equal(last[some], pixels[some]) and np.array_equal(last, pixels)
