"""Inertial sensors on a serial port: WitMotion's binary protocol, CSV lines, JSON lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from bindstream.errors import DeviceLost, DeviceUnavailable, WrongFormat
from bindstream.imu import ACCEL_UNITS, AXES, GYRO_UNITS, doubt
from bindstream.types import Modality, Sample
from sensors import options
from sensors.device_clock import UNITS, DeviceClock
from sensors.driver import Clock
from sensors.imu_lines import Lines, csv, json_object
from sensors.imu_witmotion import Reading, WitMotion
from sensors.sample_clock import JUMP_NS, SampleClock
from sensors.serial_port import SerialPort

FIRST_READING_S = 2.0
MEASURE_S = 0.5
MEASUREMENTS = 4
"""A busy machine may get the first one wrong: the rate is refused only after so many."""
RATE_TOLERANCE = 0.2
LEAST_LOSS_NS = 4_000_000
"""A loss shorter than this cannot be told from delay without the device's own time."""
HOLD_NS = 250_000_000
"""How long late readings may wait for those behind them, which tell whether any were lost."""
SILENCE_S = 1.0
BAUD_RATES = (1200, 4_000_000)


class Parser(Protocol):
    """Bytes -> readings of six values, m/s2 then rad/s, and the device's time where it is asked
    for; counts what it could not use."""

    bad: int
    skipped: int
    unpaired: int

    @property
    def why(self) -> str:
        """What was wrong with the last bytes that were no reading."""

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that these bytes complete."""


class SerialImu:
    """Readings of one IMU as (6,) float32: accelerometer m/s2, then gyroscope rad/s.

    ``port``: /dev/ttyUSB0 or better /dev/serial/by-id/.... ``protocol``: "witmotion", "csv" or
    "json". ``rate_hz``: wanted readings per second, checked at opening; None: whatever comes.
    ``accel_unit`` and ``gyro_unit``: what CSV and JSON numbers mean. ``columns``: the CSV columns
    in order, six of them ax ay az gx gy gz (others are passed over), or the JSON object's six
    keys in that order. ``time_column``: the CSV column or JSON key that holds the device's own time
    in ``time_unit`` ("s", "ms", "us", "ns"), or a number that each reading raises by one ("count").
    ``delay_ms``: known delay of the device, taken off the time stamps.

    Times are the device's own, or the count of readings, fitted to their arrival, which itself
    jitters by more than a reading's spacing. A count tells only losses that last: four milliseconds
    and a reading at least, a second later. Raises ConfigError for an option that cannot be.
    """

    modality = Modality.IMU
    latency_ms = 50.0

    def __init__(
        self,
        stream: str,
        *,
        port: str,
        baud: int = 115200,
        protocol: str = "witmotion",
        rate_hz: float | None = None,
        accel_unit: str = "m/s2",
        gyro_unit: str = "rad/s",
        columns: Sequence[str] = AXES,
        time_column: str | None = None,
        time_unit: str = "us",
        delay_ms: float = 0.0,
    ) -> None:
        self._stream = stream
        self._port = options.text(stream, "port", port)
        self._baud = options.whole(stream, "baud", baud, *BAUD_RATES)
        self._protocol = options.one_of(stream, "protocol", protocol, ("witmotion", "csv", "json"))
        self._accel_unit = options.one_of(stream, "accel_unit", accel_unit, ACCEL_UNITS)
        self._gyro_unit = options.one_of(stream, "gyro_unit", gyro_unit, GYRO_UNITS)
        self._columns = self._checked_columns(columns)
        self._time_column = self._checked_time(time_column)
        self._time_unit = options.one_of(stream, "time_unit", time_unit, UNITS)
        self._asked_hz = None
        if rate_hz is not None:
            self._asked_hz = options.number(stream, "rate_hz", rate_hz, 1.0, 4000.0)
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self.rate_hz = self._asked_hz or 100.0
        self._serial = SerialPort(stream, self._port, self._baud)
        self._now_ns: Clock = time.time_ns
        self._parser = self._new_parser()
        self._clock = self._new_clock()
        self._past: dict[str, int] = {}
        self._held: list[Reading] = []
        self._held_since_ns = 0
        self._heard_s = self._understood_s = 0.0

    @property
    def counters(self) -> dict[str, int]:
        """``bad`` frames or lines, ``skipped`` bytes, ``unpaired`` halves, ``jumps``: times that
        readings were lost, or the device's clock started anew."""
        parser = self._parser
        counts = {"bad": parser.bad, "skipped": parser.skipped, "unpaired": parser.unpaired}
        counts["jumps"] = self._clock.jumps
        return {key: count + self._past.get(key, 0) for key, count in counts.items()}

    def open(self, now_ns: Clock) -> None:
        """Open the port, find readings in it, measure their rate. See sensors.driver.Driver."""
        self.close()
        self._now_ns = now_ns
        try:
            self._serial.open()
            self._past = self.counters
            self._parser = self._new_parser()
            self._clock = self._new_clock()
            self._held = []
            self._verify()
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> list[Sample]:
        """All readings that came, oldest first. Raises DeviceLost after a second of silence."""
        readings, arrival_ns = self._receive(timeout_s)
        now_s = time.monotonic()
        if readings:
            self._understood_s = now_s
            return self._stamped(self._settled(readings, arrival_ns), arrival_ns)
        longest_s = max(SILENCE_S, 5.0 / self.rate_hz)
        if now_s - self._heard_s > longest_s:
            raise DeviceLost(self._stream, f"{self._port} is silent since {longest_s:.1f} s")
        if now_s - self._understood_s > longest_s + SILENCE_S:
            what = f"{self._port}: bytes come, but no {self._protocol} reading: {self._parser.why}"
            raise DeviceLost(self._stream, what)
        return []

    def close(self) -> None:
        """Release the port."""
        self._serial.close()

    def _checked_columns(self, columns: Sequence[str]) -> tuple[str, ...]:
        strings = isinstance(columns, list | tuple) and all(isinstance(c, str) for c in columns)
        csv_right = strings and set(AXES) <= set(columns) and len(set(columns)) == len(columns)
        json_right = strings and len(set(columns)) == len(columns) == len(AXES)
        if not (json_right if self._protocol == "json" else csv_right):
            wanted = (
                "six keys" if self._protocol == "json" else f"names that hold {', '.join(AXES)}"
            )
            raise options.refused(self._stream, "columns", columns, wanted)
        return tuple(columns)

    def _checked_time(self, column: str | None) -> str | None:
        if column is None:
            return None
        column = options.text(self._stream, "time_column", column)
        named = self._protocol == "json" or column in self._columns
        if self._protocol == "witmotion" or column in AXES or not named:
            wanted = "a name among columns that is no axis, or a JSON key; none for witmotion"
            raise options.refused(self._stream, "time_column", column, wanted)
        return column

    def _new_clock(self) -> SampleClock | DeviceClock:
        if self._time_column is None:
            return SampleClock(self.rate_hz, RATE_TOLERANCE, LEAST_LOSS_NS)
        return DeviceClock(self.rate_hz, self._time_unit, RATE_TOLERANCE)

    def _new_parser(self) -> Parser:
        if self._protocol == "witmotion":
            return WitMotion()
        parse = csv if self._protocol == "csv" else json_object
        return Lines(
            parse, self._columns, self._accel_unit, self._gyro_unit, time=self._time_column
        )

    def _verify(self) -> None:
        first, n_bytes = self._first_reading()
        if not first and n_bytes:
            raise WrongFormat(
                self._stream,
                f"{self._port} gave {n_bytes} bytes at {self._baud} baud, but no {self._protocol} "
                f"reading: {self._parser.why or 'check baud and protocol'}",
            )
        if not first:
            raise DeviceUnavailable(
                self._stream, f"{self._port} gave nothing within {FIRST_READING_S:g} s"
            )
        self._measure(first)

    def _first_reading(self) -> tuple[list[Reading], int]:
        """The first readings and how many bytes came until then."""
        n_bytes, deadline_s = 0, time.monotonic() + FIRST_READING_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            data = self._serial.take(left_s)
            n_bytes += len(data)
            if readings := self._parser.feed(data):
                return readings, n_bytes
        return [], n_bytes

    def _measure(self, first: list[Reading]) -> None:
        """Take the rate, look at gravity, and start the clock."""
        seen = list(first)
        for _ in range(MEASUREMENTS):
            batches = self._batches()
            seen += [reading for readings, _ in batches for reading in readings]
            got_hz = _rate_hz(batches)
            if self._asked_hz is None or _agree(got_hz, self._asked_hz):
                break
        else:
            raise WrongFormat(
                self._stream,
                f"wanted rate_hz {self._asked_hz:g}, {self._port} gives {got_hz:.4g}: set the "
                "device's output rate (and a baud rate that carries it), or rate_hz",
            )
        self._check_measures(seen)
        self._check_times(seen)
        self.rate_hz = self._asked_hz or round(got_hz, 1)
        self._clock = self._new_clock()
        for readings, arrival_ns in batches:  # what the first half second tells of the delay
            self._times(readings, arrival_ns)
        self._heard_s = self._understood_s = time.monotonic()

    def _batches(self) -> list[tuple[list[Reading], int]]:
        """Readings with their arrival, over half a second, ten at least besides the first batch."""
        start_s = time.monotonic()
        batches: list[tuple[list[Reading], int]] = []
        while not _long_enough(batches):
            readings, arrival_ns = self._receive(0.2)
            if readings:
                batches.append((readings, arrival_ns))
            if time.monotonic() - start_s > 10 * FIRST_READING_S:
                raise DeviceUnavailable(self._stream, f"{self._port} stopped at once")
        return batches

    def _check_measures(self, readings: list[Reading]) -> None:
        """Gravity tells of a wrong unit, of raw counts and of columns in another order."""
        signal = np.array(readings)[:, :6].T
        units = (self._accel_unit, self._gyro_unit)
        if doubted := doubt(signal, *(("g", "deg/s") if self._protocol == "witmotion" else units)):
            raise WrongFormat(self._stream, f"{self._port}: {doubted}")

    def _check_times(self, readings: list[Reading]) -> None:
        """A time that stands still for readings on end cannot place them."""
        if self._time_column is None:
            return
        times = np.array(readings)[:, 6]
        moved = int(np.count_nonzero(np.diff(times)))
        if moved < 0.9 * (len(times) - 1):
            raise WrongFormat(
                self._stream,
                f"time_column {self._time_column} moved {moved} times in {len(times)} readings: "
                "too coarse, or another column; leave it out, or name the right one",
            )

    def _receive(self, timeout_s: float) -> tuple[list[Reading], int]:
        """Readings, and the arrival of their last byte."""
        data = self._serial.take(timeout_s)
        arrival_ns = self._now_ns()
        if data:
            self._heard_s = time.monotonic()
        return self._parser.feed(data), arrival_ns

    def _stamped(self, readings: list[Reading], arrival_ns: int) -> list[Sample]:
        if not readings:
            return []
        return [
            Sample(self._stream, t_ns - self._delay_ns, np.array(r[:6], np.float32), arrival_ns)
            for r, t_ns in zip(readings, self._times(readings, arrival_ns), strict=True)
        ]

    def _times(self, readings: list[Reading], arrival_ns: int) -> list[int]:
        clock = self._clock
        if isinstance(clock, DeviceClock):
            return clock.stamp([reading[6] for reading in readings], arrival_ns)
        first_ns = clock.stamp(len(readings), arrival_ns, self._serial.drained)
        return [first_ns + round(i * clock.period_ns) for i in range(len(readings))]

    def _settled(self, readings: list[Reading], arrival_ns: int) -> list[Reading]:
        """The readings that can be stamped; [] while late ones wait for what comes behind them.

        After a hiccup of the device or of the machine a backlog comes in one reading at a time,
        and the first looks like the first after a loss.
        """
        self._held += readings
        late = (
            isinstance(self._clock, SampleClock)
            and self._serial.drained
            and self._clock.lateness_ns(arrival_ns, len(self._held)) > JUMP_NS
        )
        if not late:
            self._held_since_ns = 0
        elif not self._held_since_ns:
            self._held_since_ns = arrival_ns
        if late and arrival_ns - self._held_since_ns < HOLD_NS:
            return []
        held, self._held, self._held_since_ns = self._held, [], 0
        return held


def _long_enough(batches: list[tuple[list[Reading], int]]) -> bool:
    span_ns = batches[-1][1] - batches[0][1] if batches else 0
    return span_ns >= MEASURE_S * 1e9 and sum(len(r) for r, _ in batches[1:]) >= 10


def _rate_hz(batches: list[tuple[list[Reading], int]]) -> float:
    """Readings per second between the least late arrivals of the first and of the last third.

    What had waited before the first arrival counts for nothing.
    """
    arrivals = np.array([arrival_ns for _, arrival_ns in batches]) - batches[0][1]
    counts = np.cumsum([len(readings) for readings, _ in batches])
    lateness = arrivals - counts * (arrivals[-1] / (counts[-1] - counts[0]))
    third = max(1, len(batches) // 3)
    first = int(np.argmin(lateness[:third]))
    last = len(batches) - third + int(np.argmin(lateness[-third:]))
    return float((counts[last] - counts[first]) * 1e9 / (arrivals[last] - arrivals[first]))


def _agree(got_hz: float, wanted_hz: float) -> bool:
    return abs(got_hz - wanted_hz) <= RATE_TOLERANCE * wanted_hz
