"""When a counted sample was taken: the count, fitted slowly to the times of arrival. Pure.

Buffers and serial reads arrive late and in bursts, never early: a sample's arrival is its capture
plus a delay that varies by more than the gap between samples. The count does not vary. So the
least late arrival of each half second is kept, a line is laid through the last ten seconds of
them, and the times given out follow that line without a step.
"""

from __future__ import annotations

from sensors.arrival_line import ArrivalLine

BLOCK_NS = 500_000_000
JUMP_NS = 100_000_000
"""A lateness that lasts this long is not delay: samples were lost, and the count is moved on."""
MAX_SLEW = 0.5


class SampleClock:
    """Stamps runs of equally spaced samples.

    ``rate_hz`` is the nominal rate; ``rate_tolerance`` how far off it may be (1e-4 for audio
    hardware, 0.1 for a hobby IMU): it decides how much is read into a drift. ``least_loss_ns``:
    a step of the least lateness by so much, three quarters of a sample and three times what the
    steps usually are, for a second, is taken for lost samples; a smaller loss shifts later times
    by as much.
    ``measured_hz`` is the rate seen, None in the first two seconds; ``jumps`` counts losses,
    ``lost`` the samples of those that could be counted.
    """

    def __init__(self, rate_hz: float, rate_tolerance: float, least_loss_ns: int = JUMP_NS) -> None:
        self.jumps = 0
        self.lost = 0
        self._least_loss_ns = least_loss_ns
        self._period_ns = 1e9 / rate_hz
        self._line = ArrivalLine(self._period_ns, rate_tolerance)
        self._count = 0
        self._origin_ns = 0
        self._at_ns = 0.0  # time of sample number _at_count, since _origin_ns
        self._at_count = 0
        self._block_start_ns: int | None = None
        self._best: tuple[float, int, int] | None = None
        self._suspect: tuple[int, int] | None = None

    @property
    def period_ns(self) -> float:
        """Spacing of the samples just stamped, ns."""
        return self._period_ns

    @property
    def measured_hz(self) -> float | None:
        """Samples per second of the robot's clock, from the last ten seconds."""
        return self._line.measured_hz

    def lateness_ns(self, arrival_ns: int, count: int = 0) -> int:
        """How late the newest sample arrived, over the least delay seen. Shows silent lag.

        ``count``: of samples that are not stamped yet, the last of which is meant.
        """
        return round(arrival_ns - self._origin_ns - self._time_of(self._count + count))

    def stamp(self, count: int, arrival_ns: int, drained: bool = False) -> int:
        """``count`` new samples, the last of which arrived at ``arrival_ns``: t_ns of the first.

        The rest follow ``period_ns`` apart. ``drained`` says that nothing more waited at the
        source, so that a great lateness is a loss and no backlog, and can be believed at once.
        """
        if not self._count:
            self._origin_ns, self._at_count = arrival_ns, count
        first = self._count + 1
        self._count += count
        self._note(arrival_ns)
        if drained and self.lateness_ns(arrival_ns) > JUMP_NS:
            self._jump(self.lateness_ns(arrival_ns))
        if self._block_start_ns is not None and arrival_ns - self._block_start_ns >= BLOCK_NS:
            self._close_block()
        return self._origin_ns + round(self._time_of(first))

    def _time_of(self, n: int) -> float:
        return self._at_ns + (n - self._at_count) * self._period_ns

    def _note(self, arrival_ns: int) -> None:
        if self._block_start_ns is None:  # by an arrival, not by time: a backlog starts one, and
            self._block_start_ns = arrival_ns  # what comes in time after it ends it
        late = arrival_ns - self._origin_ns - self._time_of(self._count)
        if self._line.is_empty and late < 0:  # the first arrivals were later than usual
            self._at_ns += late
            self._best, late = None, 0.0
        if self._best is None or late < self._best[0]:
            self._best = (late, self._count, arrival_ns - self._origin_ns)

    def _jump(self, late_ns: int) -> None:
        """Samples were lost: the earlier arrivals say nothing about the count any more."""
        self.jumps += 1
        self._at_ns += late_ns
        self._line.clear()
        self._best = self._suspect = None

    def _close_block(self) -> None:
        self._block_start_ns = None
        if self._best is None:
            return
        late, count, at_ns = self._best
        self._best = None
        if late > JUMP_NS:
            self._jump(round(late))
            return
        lost = self._lost_until(count, at_ns)
        if lost is None:
            self._suspect = (count, at_ns)
            return
        self._count += lost
        if self._suspect is not None:
            self._line.add(self._suspect[0] + lost, self._suspect[1])
            self._suspect = None
        self._line.add(count + lost, at_ns)
        self._follow(*self._line.fit())

    def _lost_until(self, count: int, at_ns: int) -> int | None:
        """How many samples a block's least lateness says were lost since the blocks before it.

        None where it does, but the one before it did not: one late block is delay as yet.
        """
        if not self._line.is_settled:
            return 0
        period_ns, zero_ns = self._line.fit()
        least_ns = max(self._least_loss_ns, 0.75 * period_ns, 3 * self._line.strays_ns())
        late_ns = at_ns - zero_ns - count * period_ns
        if late_ns < least_ns:
            return 0
        if self._suspect is None:
            return None
        late_ns = min(late_ns, self._suspect[1] - zero_ns - self._suspect[0] * period_ns)
        lost = round(late_ns / period_ns)
        self.jumps += 1
        self.lost += lost
        return lost

    def _follow(self, period_ns: float, zero_ns: float) -> None:
        """Steer the times given out onto the line within the next second, without a step."""
        now_ns = self._time_of(self._count)
        error_ns = zero_ns + self._count * period_ns - now_ns
        slew = max(-MAX_SLEW, min(MAX_SLEW, error_ns / 1e9))
        self._at_count, self._at_ns = self._count, now_ns
        self._period_ns = period_ns * (1.0 + slew)
