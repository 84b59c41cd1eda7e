"""One opening of a microphone: buffers as they come -> stamped chunks of 16 kHz mono.

Knows no device: whoever has frames calls ``put`` (PortAudio's callback thread) and ``take``.
"""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
import soxr

from bindstream.types import Array, Sample
from sensors.driver import Clock
from sensors.sample_clock import SampleClock

RATE_HZ = 16_000
MOST_BUFFERS = 500
"""Ten seconds of 20 ms: older sound than that is of no use to anyone."""
CRYSTAL = 1e-4
LAG_NS = 250_000_000
LEAST_LOSS_NS = 18_000_000
"""Less than a buffer; more than a windower takes for jitter of such chunks. The least delay of half
a second stood within 0.1 ms, and never moved by 10 for a second, on a machine so busy that buffers
came 0.3 s late (measured with PulseAudio)."""


class Recording:
    """Mixes, resamples and stamps. ``rate_hz`` and ``channels``: of the buffers put in.

    ``overrun`` counts buffers that nobody took in time, ``lag`` buffers that came over 0.25 s
    late, ``zero_frames`` the present run of digital silence; ``clock.jumps`` losses.
    """

    def __init__(
        self, stream: str, rate_hz: int, channels: int, channel: int | None, now_ns: Clock
    ) -> None:
        self.clock = SampleClock(rate_hz, CRYSTAL, LEAST_LOSS_NS)
        self.rate_hz = rate_hz
        self.overrun = 0
        self.lag = 0
        self.zero_frames = 0
        self._stream = stream
        self._channels = channels
        self._channel = channel
        self._now_ns = now_ns
        self._buffers: deque[tuple[bytes, int]] = deque(maxlen=MOST_BUFFERS)
        self._arrived = threading.Event()
        self._last_ns = now_ns()
        self._resampler = soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")
        self._n_in = 0
        self._n_out = 0

    @property
    def silent_s(self) -> float:
        """Seconds since the last buffer came (since the start, before the first)."""
        return (self._now_ns() - self._last_ns) / 1e9

    def put(self, data: bytes) -> None:
        """Append a buffer of interleaved float32 frames, stamped now. For the callback."""
        self.overrun += len(self._buffers) == MOST_BUFFERS
        self._last_ns = self._now_ns()
        self._buffers.append((data, self._last_ns))
        self._arrived.set()

    def take(self, timeout_s: float) -> list[Sample]:
        """All chunks that came, oldest first; waits for the first at most ``timeout_s``.

        [] too while the resampler fills: the first 20 ms.
        """
        if not self._buffers:
            self._arrived.wait(timeout_s)
        self._arrived.clear()
        chunks = [self._chunk(*self._buffers.popleft()) for _ in range(len(self._buffers))]
        return [chunk for chunk in chunks if chunk is not None]

    def _chunk(self, data: bytes, arrival_ns: int) -> Sample | None:
        mono = mixed(np.frombuffer(data, np.float32), self._channels, self._channel)
        first_ns = self.clock.stamp(len(mono), arrival_ns)
        self.lag += self.clock.lateness_ns(arrival_ns) > LAG_NS
        self.zero_frames = 0 if mono.any() else self.zero_frames + len(mono)
        out: Array = self._resampler.resample_chunk(mono)
        # soxr's output is aligned with its input (measured): sample j was taken at j / 16000.
        # A buffer arrives when its last frame has ended: a frame later than that was taken.
        ahead_ns = (self._n_out / RATE_HZ - (self._n_in + 1) / self.rate_hz) * 1e9
        self._n_in += len(mono)
        self._n_out += len(out)
        if not len(out):
            return None
        return Sample(self._stream, first_ns + round(ahead_ns), np.clip(out, -1.0, 1.0), arrival_ns)


def mixed(interleaved: Array, channels: int, channel: int | None) -> Array:
    """(n * channels,) float32 -> (n,): one channel, or the mean of all."""
    frames = interleaved.reshape(-1, channels)
    if channel is not None:
        return np.ascontiguousarray(frames[:, channel])
    return frames.mean(axis=1, dtype=np.float32) if channels > 1 else frames[:, 0]
