"""A recording as a user's own driver plays it: made up, the same every time, an hour old."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bindstream.errors import StreamEnded
from bindstream.types import Array, DepthMeta, Meta, Modality, Sample
from sensors.driver import Clock

RATES_HZ = {
    Modality.VISION: 10.0,
    Modality.AUDIO: 16000.0,
    Modality.DEPTH: 10.0,
    Modality.THERMAL: 9.0,
    Modality.IMU: 100.0,
}
CHUNK = 640
AT_ONCE = 20


class Recording:
    """``seconds`` of one modality from ``starts_ns`` on. ``late_s``: it begins so much later.

    ``gate``: nothing is given before this file is there.
    """

    latency_ms = 0.0
    recorded = True

    def __init__(
        self,
        stream: str,
        *,
        modality: str,
        starts_ns: int,
        seconds: float = 5.0,
        late_s: float = 0.0,
        gate: str = "",
    ) -> None:
        self.modality = Modality(modality)
        self.rate_hz = RATES_HZ[self.modality]
        self.starts_ns = starts_ns
        self._stream = stream
        self._gate = Path(gate) if gate else None
        per_sample = CHUNK if self.modality is Modality.AUDIO else 1
        self._period_ns = round(per_sample * 1e9 / self.rate_hz)
        self._first_ns = starts_ns + round(late_s * 1e9)
        self._count = round(seconds * 1e9 / self._period_ns)
        self._next = 0
        self._now_ns: Clock = time.time_ns

    def open(self, now_ns: Clock) -> None:
        self._now_ns = now_ns

    def read(self, timeout_s: float) -> list[Sample]:
        """Those that are due; in order, each once."""
        if self._gate and not self._gate.exists():
            time.sleep(min(timeout_s, 0.05))
            return []
        if self._next == self._count:
            raise StreamEnded(self._stream, "the recording has ended")
        end = min(self._count, self._next + AT_ONCE)
        due = [n for n in range(self._next, end) if self._time_ns(n) <= self._now_ns()]
        if not due:
            time.sleep(min(timeout_s, 0.005))
        self._next += len(due)
        return [self._sample(n) for n in due]

    def close(self) -> None:
        """Nothing is held open."""

    def _time_ns(self, n: int) -> int:
        return self._first_ns + n * self._period_ns

    def _sample(self, n: int) -> Sample:
        t_ns = self._time_ns(n)
        meta: Meta = DepthMeta(300.0, 0.05) if self.modality is Modality.DEPTH else None
        return Sample(self._stream, t_ns, self._data(n), t_ns, meta)

    def _data(self, n: int) -> Array:
        draw = np.random.default_rng(n)
        match self.modality:
            case Modality.VISION:
                return draw.integers(0, 256, (24, 32, 3)).astype(np.uint8)
            case Modality.AUDIO:
                return draw.uniform(-0.5, 0.5, CHUNK).astype(np.float32)
            case Modality.IMU:
                return draw.uniform(-1, 1, 6).astype(np.float32)
            case Modality.THERMAL:
                return draw.uniform(290, 310, (12, 16)).astype(np.float32)
            case _:
                return draw.uniform(0.5, 4, (12, 16)).astype(np.float32)
