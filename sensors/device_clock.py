"""Times that a device itself gives, or a count of its readings, turned into robot time. Pure.

Such a column tells a loss exactly, however small: arrival alone cannot tell a lost reading from
a delay. Only where the device's clock stands against the robot's is fitted, as for a mere count.
"""

from __future__ import annotations

from collections.abc import Sequence

from sensors.sample_clock import SampleClock

TICKS_PER_S = {"s": 1e9, "ms": 1e6, "100us": 1e5, "us": 1e3, "ns": 1.0}
"""Nanoseconds in one of the column's units."""
UNITS = (*TICKS_PER_S, "count")
WRAPS = (256, 1000, 10_000, 65_536, 1 << 24, 1 << 31, 1 << 32, (1 << 32) / 1000, 1 << 64)
"""Where counters begin again: a byte, two, three, four; micros() / 1000 of an Arduino."""
CRYSTAL = 1e-3
MAX_STEP_S, MAX_WRAP_S = 5.0, 1.0
"""A longer step between two readings cannot be; over a wrap, a second."""
MAX_STILL = 20
"""So many readings on end with one and the same time: it stands still."""
AHEAD_NS, AHEAD_AT_FIRST_NS = 100_000_000, 1_000_000_000
"""A reading is never taken after it came: so far ahead its time cannot be. At first, while the
least delay is hardly known, more may be delay."""
SETTLED_NS = 2_000_000_000


class DeviceClock:
    """Stamps readings that carry the device's time in ``unit``, or ``count`` of readings.

    ``rate_hz``: of the readings. A time that cannot follow the one before (back, far ahead, ahead
    of its own arrival) is ``odd``: that reading counts as the next one, a period later. Where the
    reading after it follows such a time, the device began anew, counted in ``resets``; where it
    follows the last good one, that one time was wrong and nothing is lost.
    """

    def __init__(self, rate_hz: float, unit: str, rate_tolerance: float) -> None:
        self.resets = 0
        self.odd = 0
        self._unit_ns = TICKS_PER_S.get(unit, 1e9 / rate_hz)
        self._period_ns = 1e9 / rate_hz
        self._last: float | None = None
        self._given_ns = 0.0  # to odd readings since the last good one
        self._suspect: float | None = None
        self._still = 0
        self._began_ns: int | None = None
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
        longest_ns = self._longest_ns(arrival_ns)
        ticks, total = [], 0.0
        for time in times:
            total += self._step_ns(time, longest_ns - total)
            ticks.append(round(total / self._tick_ns))
        if not ticks[-1]:  # nothing moved: all at the last one's time
            return [arrival_ns] * len(ticks)
        first_ns = self._clock.stamp(ticks[-1], arrival_ns)
        return [first_ns + round((tick - 1) * self._clock.period_ns) for tick in ticks]

    def _longest_ns(self, arrival_ns: int) -> float:
        """How far the device's time can have come since the last reading, by what it is now."""
        if self._began_ns is None:
            self._began_ns = arrival_ns
            return MAX_STEP_S * 1e9
        settled = arrival_ns - self._began_ns > SETTLED_NS
        slack_ns = AHEAD_NS if settled else AHEAD_AT_FIRST_NS
        return self._clock.lateness_ns(arrival_ns) + slack_ns + self._period_ns

    def _step_ns(self, time: float, longest_ns: float) -> float:
        """Robot time to give out since the reading before."""
        if self._last is None:
            self._last = time
            return self._period_ns
        step_ns = self._between(self._last, time)
        self._still = self._still + 1 if step_ns == 0 else 0
        if step_ns is not None and self._still < MAX_STILL:
            step_ns = max(0.0, step_ns - self._given_ns)
            if step_ns <= longest_ns:
                return self._go_on(time, step_ns)
        if self._suspect is not None:
            step_ns = self._between(self._suspect, time)
            if step_ns and step_ns <= longest_ns:
                self.resets += 1
                return self._go_on(time, step_ns)
        self.odd += 1
        self._suspect = time
        self._given_ns += self._period_ns
        return self._period_ns

    def _go_on(self, time: float, step_ns: float) -> float:
        self._last, self._suspect, self._given_ns = time, None, 0.0
        return step_ns

    def _between(self, last: float, time: float) -> float | None:
        """Device time from one reading to another, ns; None where it cannot be."""
        step_ns = (time - last) * self._unit_ns
        if 0 <= step_ns <= MAX_STEP_S * 1e9:
            return step_ns
        for wrap in WRAPS:
            if last < wrap and 0 < step_ns + wrap * self._unit_ns <= MAX_WRAP_S * 1e9:
                return step_ns + wrap * self._unit_ns
        return None
