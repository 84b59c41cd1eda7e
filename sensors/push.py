"""A stream that a user's own program feeds, through ``bindstream.Feed``."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np

from bindstream import imu
from bindstream.doubt import Doubt
from bindstream.errors import DeviceLost
from bindstream.feed import Inbox, Received
from bindstream.types import SENSED, Array, DepthMeta, Modality, Sample
from sensors import options
from sensors.driver import Clock

GRAVITY_READINGS, JUDGED_EVERY = 200, 50
"""Of so many readings the mean acceleration is judged, and how often: fewer may be a fall."""


class Felt:
    """How much an IMU has felt lately, on average."""

    def __init__(self) -> None:
        self._recent: deque[Array] = deque(maxlen=GRAVITY_READINGS)
        self._since = 0
        self._doubt: Doubt | None = None

    def doubt(self, readings: list[Array]) -> Doubt | None:
        """Why the last readings, these among them, cannot be; None where they can."""
        self._recent.extend(readings)
        self._since += len(readings)
        if len(self._recent) == GRAVITY_READINGS and self._since >= JUDGED_EVERY:
            self._since = 0
            self._doubt = imu.doubt(np.stack(self._recent, axis=1))
        return self._doubt


class Push:
    """Samples as a ``Feed`` of the same name pushes them.

    ``modality``: what is pushed. ``rate_hz``: the rate that health is judged by; None when there
    is none, as where frames come now and then (audio: 16000 always). ``fx_px`` and ``baseline_m``:
    for depth, as for the depth camera. Opening does not wait for a feed: it may come and go.

    ``why`` says what is wrong with what is pushed, for as long as none of it is right: another
    form, or values that no such sensor gives; of an IMU also gravity, over some seconds.

    Raises ConfigError for an option that cannot be.
    """

    latency_ms = 100.0

    def __init__(
        self,
        stream: str,
        *,
        modality: str,
        rate_hz: float | None = None,
        fx_px: float | None = None,
        baseline_m: float | None = None,
    ) -> None:
        chosen = options.one_of(stream, "modality", modality, map(str, SENSED))
        self.modality: Modality = Modality(chosen)
        self.rate_hz = 0.0
        if rate_hz is not None:
            self.rate_hz = options.number(stream, "rate_hz", rate_hz, 0.0, 100_000.0)
        if self.modality is Modality.AUDIO:
            self.rate_hz = 16_000.0
        self._stream = stream
        self._meta = None
        if self.modality is Modality.DEPTH:
            self._meta = DepthMeta(
                fx_px=options.number(stream, "fx_px", fx_px, 1.0, 100_000.0),
                baseline_m=options.number(stream, "baseline_m", baseline_m, 1e-4, 10.0),
            )
        self._inbox: Inbox | None = None
        self._now_ns: Clock = time.time_ns
        self._rejected = 0
        self._felt = Felt()
        self.why = ""

    @property
    def counters(self) -> dict[str, int]:
        """``rejected``: messages that were not of the modality's form, or cannot be."""
        return {"rejected": self._rejected + (self._inbox.rejected if self._inbox else 0)}

    def open(self, now_ns: Clock) -> None:
        """Take the stream's name on this machine. Raises DeviceUnavailable if it is taken."""
        self.close()
        self._now_ns = now_ns
        self._inbox = Inbox(self._stream, self.modality)

    def read(self, timeout_s: float) -> list[Sample]:
        """All that was pushed, oldest first."""
        if self._inbox is None:
            raise DeviceLost(self._stream, "read before open")
        before = self._inbox.rejected
        received = self._inbox.receive(timeout_s)
        if received:
            self.why = ""
        elif self._inbox.rejected > before:
            self.why = f"what is pushed is refused: {self._inbox.why}"
        offset_ns = self._now_ns() - time.monotonic_ns()
        samples = [self._sample(one, offset_ns) for one in received]
        return self._plausible(samples) if self.modality is Modality.IMU else samples

    def close(self) -> None:
        """Release the name."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()
            self._rejected += inbox.rejected

    def _plausible(self, samples: list[Sample]) -> list[Sample]:
        """The readings, or none of them while gravity cannot be what they say."""
        doubt = self._felt.doubt([sample.data for sample in samples])
        if doubt is None:
            return samples
        self._rejected += len(samples)
        self.why = f"what is pushed is refused: {doubt}; push m/s2 and rad/s"
        return []

    def _sample(self, one: Received, offset_ns: int) -> Sample:
        """Both programs share CLOCK_MONOTONIC: an unstamped push is placed on the robot's clock."""
        arrival_ns = self._now_ns()
        t_ns = one.t_ns if one.t_ns is not None else one.sent_ns + offset_ns
        data: Any = one.data
        return Sample(self._stream, t_ns, data, arrival_ns, self._meta)
