"""Messages that are measured one by one, pictures and IMU readings -> samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bindstream import depth, imu, thermal
from bindstream.doubt import Doubt
from bindstream.errors import DeviceUnavailable, InvalidInput, WrongFormat
from bindstream.types import Array, Modality, Sample
from sensors.mounting import turned
from sensors.ros2 import definitions as ros
from sensors.ros2 import keys
from sensors.ros2.arrivals import Arrived
from sensors.ros2.diagnosis import mismatch
from sensors.ros2.ros_clock import RosClock
from sensors.ros2.unpacking import Reading, read

PICTURES = frozenset({ros.IMAGE, ros.COMPRESSED})
LEAST_READINGS = 20
"""Of fewer the mean acceleration may be a jolt."""


class Measured:
    """``delay_ns`` is taken off the times; ``rotation`` turns an IMU's axes.

    ``bad`` counts messages that could not be read, or of another type; ``repeated`` those whose
    stamp was the last one's: the same content again. ``why`` says what the last was, for as long
    as nothing better comes.
    """

    def __init__(self, reading: Reading, rotation: Array | None, delay_ns: int, how: str) -> None:
        self.bad = self.repeated = 0
        self.why = ""
        self.clock = RosClock(0.0, how)
        self._reading, self._rotation = reading, rotation
        self._delay_ns, self._how = delay_ns, how
        self._last_stamp_ns = 0
        self._past = {"unset": 0, "odd_times": 0, "resets": 0}

    @property
    def kinds(self) -> frozenset[str]:
        """The types that it reads."""
        return frozenset({ros.IMU}) if self._reading.modality is Modality.IMU else PICTURES

    @property
    def counters(self) -> dict[str, int]:
        """All that was counted, over all openings."""
        now = {"unset": self.clock.unset, "odd_times": self.clock.odd, "resets": self.clock.resets}
        summed = {name: count + now[name] for name, count in self._past.items()}
        return {"bad": self.bad, "repeated": self.repeated, **summed}

    def prove(self, arrived: Sequence[Arrived], rate_hz: float) -> None:
        """The first messages of an opening, which come at that rate. Raises WrongFormat for what
        cannot be, DeviceUnavailable where nothing is new, InvalidInput for what cannot be read."""
        seen = [sample for one in arrived if (sample := self._read(one)) is not None]
        if not seen:
            raise DeviceUnavailable(self._reading.stream, "the topic repeats its last message")
        if doubt := self._doubt(seen):
            raise WrongFormat(self._reading.stream, f"{doubt}")
        counts = self.counters
        self._past = {name: counts[name] for name in self._past}
        self.clock = RosClock(rate_hz, self._how)
        self.clock.learn((one.t_ns, one.arrival_ns) for one in seen)

    def samples(self, arrived: Sequence[Arrived]) -> list[Sample]:
        """Those that can be read and are new, in robot time."""
        return [sample for one in arrived if (sample := self._sample(one)) is not None]

    def _doubt(self, seen: Sequence[Sample]) -> Doubt | None:
        """Why they cannot be what they are taken for."""
        match self._reading.modality:
            case Modality.IMU if len(seen) >= LEAST_READINGS:
                return imu.doubt(np.stack([one.data for one in seen], axis=1))
            case Modality.DEPTH:
                return depth.doubt(seen[-1].data)
            case Modality.THERMAL:
                return thermal.doubt(seen[-1].data, counted=True)
            case _:
                return None

    def _sample(self, one: Arrived) -> Sample | None:
        try:
            sample = self._read(one)
        except InvalidInput as error:
            self.bad += 1
            self.why = f"{self.bad} messages could not be read, the last: {error}"
            return None
        if sample is None:
            return None
        self.why = ""
        t_ns = self.clock.time_ns(sample.t_ns, sample.arrival_ns)
        return replace(sample, t_ns=t_ns - self._delay_ns)

    def _read(self, one: Arrived) -> Sample | None:
        """A message with ROS's own stamp; None for one that was there before."""
        kind, type_hash = keys.kind_and_hash(one.key)
        if fault := mismatch(kind, type_hash, self.kinds):
            raise InvalidInput(f"its publisher {fault}")
        stamp_ns, data = read(self._reading, kind, one.payload.to_bytes())
        if stamp_ns == self._last_stamp_ns and stamp_ns > 0:
            self.repeated += 1
            self.why = "the topic repeats its last message"
            return None
        self._last_stamp_ns = stamp_ns
        if kind == ros.IMU:
            data = turned(data.tolist(), self._rotation)
        return Sample(self._reading.stream, stamp_ns, data, one.arrival_ns, self._reading.meta)
