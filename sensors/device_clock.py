"""Times that a device itself gives, or a count of its readings, turned into robot time. Pure.

Such a column tells a loss exactly, however small: arrival alone cannot tell a lost reading from
a delay. Only where the device's clock stands against the robot's is fitted, as for a mere count.
"""

from __future__ import annotations

from collections.abc import Sequence

from sensors.sample_clock import SampleClock

TICKS_PER_S = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
"""Nanoseconds in one of the column's units."""
UNITS = (*TICKS_PER_S, "count")
WRAPS = (256, 1000, 10_000, 65_536, 1 << 24, 1 << 31, 1 << 32, (1 << 32) / 1000, 1 << 64)
"""Where counters begin again: a byte, two, three, four; micros() / 1000 of an Arduino."""
CRYSTAL = 1e-3
MAX_STEP_S, MAX_WRAP_S = 5.0, 1.0
"""A longer step between two readings is a reset; over a wrap, a second."""


class DeviceClock:
    """Stamps readings that carry the device's time in ``unit``, or ``count`` of readings.

    ``rate_hz``: of the readings. ``resets``: times that the column jumped, as when the device
    started anew: the reading then counts as the next one.
    """

    def __init__(self, rate_hz: float, unit: str, rate_tolerance: float) -> None:
        self.resets = 0
        self._unit_ns = TICKS_PER_S.get(unit, 1e9 / rate_hz)
        self._period_ns = 1e9 / rate_hz
        self._last: float | None = None
        if unit == "count":
            self._clock = SampleClock(rate_hz, rate_tolerance)
            self._tick_ns = 1e9 / rate_hz
        else:
            self._clock = SampleClock(1e6, CRYSTAL)
            self._tick_ns = 1e3

    @property
    def jumps(self) -> int:
        """Times that the robot's clock and the device's parted, or the device started anew."""
        return self._clock.jumps + self.resets

    def stamp(self, times: Sequence[float], arrival_ns: int) -> list[int]:
        """Robot times, ns, of readings with these device times, oldest first."""
        ticks, total = [], 0.0
        for time in times:
            total += self._step_ns(time) / self._tick_ns
            ticks.append(round(total))
        if not ticks[-1]:  # nothing moved: all at the last one's time
            return [arrival_ns] * len(ticks)
        first_ns = self._clock.stamp(ticks[-1], arrival_ns)
        return [first_ns + round((tick - 1) * self._clock.period_ns) for tick in ticks]

    def _step_ns(self, time: float) -> float:
        """Device time since the reading before."""
        last, self._last = self._last, time
        if last is None:
            return self._period_ns
        step_ns = (time - last) * self._unit_ns
        if 0 <= step_ns <= MAX_STEP_S * 1e9:
            return step_ns
        for wrap in WRAPS:
            if last < wrap and 0 < step_ns + wrap * self._unit_ns <= MAX_WRAP_S * 1e9:
                return step_ns + wrap * self._unit_ns
        self.resets += 1
        return self._period_ns
