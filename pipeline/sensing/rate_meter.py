"""How many readings a second come."""

from __future__ import annotations

from collections import deque

from bindstream.types import Modality, Sample


class RateMeter:
    """Readings per second over the last few seconds (audio: 16 kHz samples per second)."""

    def __init__(self, modality: Modality, span_s: float = 3.0) -> None:
        self._audio = modality is Modality.AUDIO
        self._span_ns = int(span_s * 1e9)
        self._seen: deque[tuple[int, int]] = deque(maxlen=16_384)

    def add(self, sample: Sample) -> None:
        """Count one sample at its arrival."""
        self._seen.append((sample.arrival_ns, len(sample.data) if self._audio else 1))

    def rate_hz(self, now_ns: int) -> float:
        """The rate of the last span; 0 when nothing came."""
        while self._seen and self._seen[0][0] < now_ns - self._span_ns:
            self._seen.popleft()
        if len(self._seen) < 2:
            return 0.0
        span_ns = max(now_ns, self._seen[-1][0]) - self._seen[0][0]
        return sum(n for _, n in list(self._seen)[1:]) / (span_ns / 1e9) if span_ns > 0 else 0.0
