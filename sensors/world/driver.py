"""The world driver: one sensor of a simulated robot, in real time.

Five drivers with the same seed and script observe the same scene, whatever process they live
in: the state is a pure function of (seed, time), and time is the host's clock. Option ``script``
and ``faults``: see `sensors.world.script` and `sensors.world.faults`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from bindstream.errors import ConfigError, DeviceLost
from bindstream.types import Array, DepthMeta, Modality, Sample
from sensors import options
from sensors.driver import Clock
from sensors.world import faults as world_faults
from sensors.world import look as world_look
from sensors.world import motion as world_motion
from sensors.world import script as world_script
from sensors.world import sound as world_sound
from sensors.world.state import WorldState

RATES_HZ = {
    Modality.VISION: 20.0,
    Modality.AUDIO: float(world_sound.AUDIO_HZ),
    Modality.DEPTH: 10.0,
    Modality.THERMAL: 10.0,
    Modality.IMU: float(world_motion.IMU_HZ),
}
BATCH_S = 0.05
"""Audio and IMU readings are delivered twenty times a second."""
READOUT_S = {
    Modality.AUDIO: 0.004,
    Modality.IMU: 0.018,
    Modality.VISION: 0.020,
    Modality.DEPTH: 0.036,
    Modality.THERMAL: 0.052,
}
"""How long after the moment it shows a reading is delivered, as exposure, readout and transfer of
real devices take; each its own, so that five sensors do not answer in the same millisecond."""
BACKLOG_S = 10.0
"""What a device keeps of audio and IMU while nobody reads; older data are lost."""

_FRAMES: dict[Modality, Callable[[WorldState, float], Array]] = {
    Modality.VISION: world_look.frame,
    Modality.DEPTH: world_look.depth,
    Modality.THERMAL: world_look.thermal,
}


class World:
    """One modality of the world. Options: ``modality``; ``seed``; ``rate_hz`` (frames a second
    of vision, depth or thermal; audio is 16000 and IMU 400 for good); ``script``; ``faults``.

    Raises ConfigError at construction for options that cannot be.
    """

    latency_ms = 0.0

    def __init__(
        self,
        stream: str,
        *,
        modality: str,
        seed: int = 0,
        rate_hz: float | None = None,
        script: world_script.Scripted = None,
        faults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.stream = stream
        self.modality = _sensed(stream, modality)
        self.rate_hz = _rate(stream, self.modality, rate_hz)
        self._seed = options.whole(stream, "seed", seed, -(2**63), 2**63 - 1)
        self._script = _script(stream, script)
        self._faults = world_faults.parse(stream, self._seed, faults)
        self._frames = self.modality in _FRAMES
        self._tick_s = 1.0 / self.rate_hz if self._frames else BATCH_S
        self._now_ns: Clock | None = None
        self._next = 0
        self._passed = 0

    @property
    def counters(self) -> dict[str, int]:
        """``skipped``: frames passed over because a newer one waited; ``lost``: readings (audio:
        samples) that nobody fetched in time."""
        if self._frames:
            return {"skipped": self._passed}
        return {"lost": self._passed * round(BATCH_S * self.rate_hz)}

    def open(self, now_ns: Clock) -> None:
        """Begin with what is delivered next. Always works: there is no device."""
        self._now_ns = now_ns
        read_s = world_script.world_s(now_ns()) - READOUT_S[self.modality]
        self._next = math.ceil(read_s / self._tick_s - 1e-6)
        self._sample_tick(self._next)

    def read(self, timeout_s: float) -> list[Sample]:
        """The newest frame, or all batches since the last call."""
        now_s = self._wait(timeout_s)
        last = self._last_due(now_s)
        if last < self._next or self._faults.active("stall", now_s):
            return []
        first = last if self._frames else max(self._next, last + 1 - round(BACKLOG_S / BATCH_S))
        self._passed += first - self._next
        self._next = last + 1
        return [sample for tick in range(first, last + 1) for sample in self._sample_tick(tick)]

    def close(self) -> None:
        """Nothing to release."""
        self._now_ns = None

    def _clock(self) -> Clock:
        if self._now_ns is None:
            raise DeviceLost(self.stream, "is not open: call open() before read()")
        return self._now_ns

    def _wait(self, timeout_s: float) -> float:
        """Sleep until the next tick is due, or for the timeout; then world time."""
        now_ns = self._clock()
        now_s = world_script.world_s(now_ns())
        due_s = self._due_s(self._next)
        if self._faults.active("stall", now_s):
            due_s = now_s + self._tick_s
        if due_s > now_s:
            time.sleep(min(timeout_s, due_s - now_s))
            now_s = world_script.world_s(now_ns())
        return now_s

    def _due_s(self, tick: int) -> float:
        """When a tick's data are delivered: after its frame, or its batch's end, by the readout."""
        return (tick if self._frames else tick + 1) * self._tick_s + READOUT_S[self.modality]

    def _last_due(self, now_s: float) -> int:
        read_s = now_s - READOUT_S[self.modality]
        return math.floor(read_s / self._tick_s + 1e-6) - (0 if self._frames else 1)

    def _sample_tick(self, tick: int) -> list[Sample]:
        t_s = tick * self._tick_s
        if self._faults.active("gap", t_s):
            return []
        state = world_script.state_at(self._seed, t_s, self._script)
        if self._frames:
            data = _FRAMES[self.modality](state, t_s)
            return [self._sample(t_s, self._faults.spoil(self.modality, t_s, data))]
        count = round(BATCH_S * self.rate_hz)
        if self.modality is Modality.AUDIO:
            data = world_sound.samples(state, tick * count, count)
            return [self._sample(t_s, self._faults.spoil(self.modality, t_s, data))]
        data = world_motion.readings(state, tick * count, count)
        columns = self._faults.spoil(self.modality, t_s, data).T.copy()
        return [self._sample(t_s + i / self.rate_hz, row) for i, row in enumerate(columns)]

    def _sample(self, t_s: float, data: Array) -> Sample:
        t_ns = world_script.ORIGIN_NS + round(t_s * 1e9) + self._faults.stamp_ns(t_s)
        meta: DepthMeta | None = world_look.DEPTH_META if self.modality is Modality.DEPTH else None
        return Sample(self.stream, t_ns, data, self._clock()(), meta)


def _sensed(stream: str, modality: str) -> Modality:
    return Modality(options.one_of(stream, "modality", modality, map(str, RATES_HZ)))


def _script(stream: str, script: Any) -> world_script.Script | None:
    try:
        return world_script.parse(script)
    except ConfigError as error:
        raise ConfigError(f"stream '{stream}': {error}") from error


def _rate(stream: str, modality: Modality, rate_hz: float | None) -> float:
    usual = RATES_HZ[modality]
    if rate_hz is None:
        return usual
    if modality in _FRAMES:
        return options.number(stream, "rate_hz", rate_hz, 0.01, 60.0)
    if isinstance(rate_hz, bool) or rate_hz != usual:
        raise options.refused(stream, "rate_hz", rate_hz, f"only {usual:g}, or none")
    return usual
