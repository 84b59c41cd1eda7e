"""When readings were taken: by the device's own time or by their count, fitted to arrival. Pure."""

from __future__ import annotations

from sensors.device_clock import DeviceClock
from sensors.sample_clock import JUMP_NS, SampleClock
from sensors.serial.arrivals import Batch
from sensors.serial.witmotion import Reading

HOLD_NS = 250_000_000
"""How long late readings may wait for those behind them, which tell whether any were lost."""


class ReadingTimes:
    """Stamps batches of readings, oldest first."""

    def __init__(self, clock: SampleClock | DeviceClock) -> None:
        self._clock = clock
        self._held: list[Reading] = []
        self._held_since_ns = 0

    @property
    def jumps(self) -> int:
        """Times that readings were lost, or the device's clock began anew."""
        return self._clock.jumps

    @property
    def odd(self) -> int:
        """Readings whose own time could not be."""
        return self._clock.odd if isinstance(self._clock, DeviceClock) else 0

    def learn(self, batch: Batch) -> None:
        """Take in what a batch tells of the delay; it is given out no more."""
        self._times(batch.readings, batch)

    def placed(self, batch: Batch) -> list[tuple[Reading, int]]:
        """The readings that can be stamped, with their times in ns; [] while late ones wait for
        what comes behind them."""
        readings = self._settled(batch)
        return list(zip(readings, self._times(readings, batch), strict=True))

    def _times(self, readings: list[Reading], batch: Batch) -> list[int]:
        clock = self._clock
        if not readings:
            return []
        if isinstance(clock, DeviceClock):
            return clock.stamp([reading[6] for reading in readings], batch.arrival_ns)
        first_ns = clock.stamp(len(readings), batch.arrival_ns, batch.drained)
        return [first_ns + round(i * clock.period_ns) for i in range(len(readings))]

    def _settled(self, batch: Batch) -> list[Reading]:
        """After a hiccup of the device or of the machine a backlog comes in one reading at a time,
        and the first looks like the first after a loss."""
        self._held += batch.readings
        late = (
            isinstance(self._clock, SampleClock)
            and batch.drained
            and self._clock.lateness_ns(batch.arrival_ns, len(self._held)) > JUMP_NS
        )
        if not late:
            self._held_since_ns = 0
        elif not self._held_since_ns:
            self._held_since_ns = batch.arrival_ns
        if late and batch.arrival_ns - self._held_since_ns < HOLD_NS:
            return []
        held, self._held, self._held_since_ns = self._held, [], 0
        return held
