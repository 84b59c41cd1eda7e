"""The newest sound at the rate that windows are wanted in: a ring, and the resampler before it."""

from __future__ import annotations

import numpy as np

from bindstream.types import Array

LATENCY_S = 0.25
"""More than a resampler holds back."""


class Signal:
    """Samples in at one rate, read at another; nothing is converted where both are the same.

    Sample 0 of both was heard at the same time. What is read lags by some tens of milliseconds
    behind what came, where it is converted: a filter looks ahead.
    """

    def __init__(self, rate_in_hz: int, rate_hz: int, held: int) -> None:
        self.rate_hz = rate_hz
        self._rate_in_hz = rate_in_hz
        self._ring = np.zeros(held + round(LATENCY_S * rate_hz), np.float32)
        self.restart()

    def restart(self, count_in: int = 0) -> None:
        """Begin anew, at sample ``count_in``; before it lies silence."""
        self.count = count_in * self.rate_hz // self._rate_in_hz
        self._ring[:] = 0
        self._resampler = None
        if self._rate_in_hz != self.rate_hz:
            import soxr

            self._resampler = soxr.ResampleStream(self._rate_in_hz, self.rate_hz, 1, "float32")

    def write(self, piece: Array) -> None:
        """Append float32 (n,)."""
        if self._resampler is not None:
            piece = self._resampler.resample_chunk(np.ascontiguousarray(piece))
        self._ring[self._places(self.count, self.count + len(piece))] = piece
        self.count += len(piece)

    def read(self, end: int, n: int) -> Array | None:
        """The ``n`` samples before sample ``end``; None where they are not held any more."""
        if end - n < self.count - len(self._ring) or end > self.count:
            return None
        return self._ring[self._places(end - n, end)]

    def _places(self, first: int, end: int) -> Array:
        start = first % len(self._ring)
        return np.arange(start, start + max(0, end - first)) % len(self._ring)
