"""Inertial sensors on a serial port."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from bindstream.errors import DeviceLost, DeviceUnavailable, WrongFormat
from bindstream.imu import AXES
from bindstream.types import Modality, Sample
from sensors import options
from sensors.driver import Clock
from sensors.mounting import rotation, turned
from sensors.serial import usb
from sensors.serial.arrivals import Arrivals, measured_hz
from sensors.serial.dialect import RATE_TOLERANCE, clock, dialect
from sensors.serial.poll import Asker, PolledPort
from sensors.serial.port import SerialPort
from sensors.serial.times import ReadingTimes
from sensors.serial.witmotion import Reading
from sensors.stillness import READINGS, Stillness

FIRST_READING_S = 2.0
MEASUREMENTS = 4
"""A busy machine may get the first one wrong: the rate is refused only after so many."""
SILENCE_S = 1.0
BAUD_RATES = (1200, 4_000_000)


class SerialImu:
    """Readings of one IMU as (6,) float32: accelerometer m/s2, then gyroscope rad/s.

    ``port``: /dev/ttyUSB0 or better /dev/serial/by-id/.... ``protocol``: one of
    sensors.serial.dialect.PROTOCOLS. ``rate_hz``: wanted readings per second, checked at opening
    (of a device that must be asked: how often it is); None: whatever comes. ``accel_unit`` and
    ``gyro_unit``: what numbers in lines mean. ``columns``: the columns of CSV and NMEA in order,
    six of them ax ay az gx gy gz (others are passed over), or the JSON object's six keys in that
    order. ``sentence``: which NMEA sentences hold readings, all by default. ``time_column``: the
    column or JSON key that holds the device's own time in ``time_unit`` ("s", "ms", "us", "ns"), or
    a number that each reading raises by one ("count"). VectorNav's binary messages, Xsens' and the
    BNO055 have a time without it.
    ``delay_ms``: known delay of the device, taken off the time stamps. ``mounting``: how the
    sensor's axes lie in the robot's, see sensors.mounting.

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
        sentence: str | None = None,
        mounting: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self._stream = stream
        self._port = options.text(stream, "port", port)
        self._baud = options.whole(stream, "baud", baud, *BAUD_RATES)
        self._asked_hz = None
        if rate_hz is not None:
            self._asked_hz = options.number(stream, "rate_hz", rate_hz, 1.0, 4000.0)
        self._dialect = dialect(
            stream,
            protocol=protocol,
            accel_unit=accel_unit,
            gyro_unit=gyro_unit,
            columns=columns,
            time_column=time_column,
            time_unit=time_unit,
            sentence=sentence,
            rate_hz=self._asked_hz,
        )
        self._rotation = rotation(stream, mounting)
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self.rate_hz = self._asked_hz or 100.0
        self._serial = SerialPort(stream, self._port, self._baud)
        self._still = Stillness(READINGS, "reading")
        self._past: dict[str, int] = {}
        self._begin(time.time_ns)

    @property
    def warnings(self) -> list[str]:
        """What `check` says of a port that works, but hardly as is meant."""
        warned = usb.warning(self._port)
        return [f"stream '{self._stream}': {warned}"] if warned else []

    @property
    def counters(self) -> dict[str, int]:
        """``bad`` frames or lines, ``skipped`` bytes, ``unpaired`` halves, ``jumps``: times that
        readings were lost, or the device's clock started anew; ``odd_times``: readings whose own
        time could not be, which were placed by their neighbours; ``stale``: readings equal to the
        one before."""
        parser = self._arrivals.parser
        counts = {"bad": parser.bad, "skipped": parser.skipped, "unpaired": parser.unpaired}
        counts |= {"jumps": self._times.jumps, "odd_times": self._times.odd}
        told = {key: count + self._past.get(key, 0) for key, count in counts.items()}
        return told | {"stale": self._still.stale}

    @property
    def stalled(self) -> str:
        """In words, when the device repeats its last reading; "" when it does not."""
        return self._still.why(self.rate_hz)

    def open(self, now_ns: Clock) -> None:
        """Open the port, find readings in it, measure their rate. See sensors.driver.Driver."""
        self.close()
        try:
            self._serial.open()
            self._past = self.counters
            self._begin(now_ns)
            self._measure(self._first())
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> list[Sample]:
        """All readings that came, oldest first. Raises DeviceLost after a second of silence."""
        batch = self._arrivals.receive(timeout_s)
        if not batch.readings:
            self._check_alive()
            return []
        samples = []
        for reading, t_ns in self._times.placed(batch):
            data = turned(reading, self._rotation)
            self._still.see(data, batch.arrival_ns)
            samples.append(Sample(self._stream, t_ns - self._delay_ns, data, batch.arrival_ns))
        return samples

    def close(self) -> None:
        """Release the port."""
        self._serial.close()

    def _begin(self, now_ns: Clock) -> None:
        """Nothing was read yet of this opening."""
        parser, port = self._dialect.parser(), self._serial
        asked = PolledPort(port, parser) if isinstance(parser, Asker) else port
        self._arrivals = Arrivals(asked, parser, now_ns)
        self._times = self._new_times()
        self._still.forget()

    def _new_times(self) -> ReadingTimes:
        return ReadingTimes(clock(self.rate_hz, self._arrivals.parser.time_unit))

    def _check_alive(self) -> None:
        now_s, came = time.monotonic(), self._arrivals
        longest_s = max(SILENCE_S, 5.0 / self.rate_hz)
        if now_s - came.heard_s > longest_s:
            raise DeviceLost(self._stream, f"{self._port} is silent since {longest_s:.1f} s")
        if now_s - came.understood_s > longest_s + SILENCE_S:
            what = f"bytes come, but no {self._dialect.protocol} reading: {came.parser.why}"
            raise DeviceLost(self._stream, f"{self._port}: {what}")

    def _first(self) -> list[Reading]:
        """The first readings, which prove baud and protocol."""
        first, n_bytes = self._arrivals.first(FIRST_READING_S)
        if not first and n_bytes:
            raise WrongFormat(
                self._stream,
                f"{self._port} gave {n_bytes} bytes at {self._baud} baud, but no "
                f"{self._dialect.protocol} reading: "
                f"{self._arrivals.parser.why or 'check baud and protocol'}",
            )
        if not first:
            raise DeviceUnavailable(
                self._stream, f"{self._port} gave nothing within {FIRST_READING_S:g} s"
            )
        return first

    def _measure(self, first: list[Reading]) -> None:
        """Take the rate, look at gravity, and start the clock."""
        seen = list(first)
        for _ in range(MEASUREMENTS):
            batches = self._arrivals.over(10 * FIRST_READING_S)
            if not batches:
                raise DeviceUnavailable(self._stream, f"{self._port} stopped at once")
            seen += [reading for batch in batches for reading in batch.readings]
            got_hz = measured_hz(batches)
            if self._asked_hz is None or _agree(got_hz, self._asked_hz):
                break
        else:
            raise WrongFormat(
                self._stream,
                f"wanted rate_hz {self._asked_hz:g}, {self._port} gives {got_hz:.4g}: set the "
                "device's output rate (and a baud rate that carries it), or rate_hz",
            )
        if doubted := self._dialect.doubt(seen):
            raise WrongFormat(self._stream, f"{self._port}: {doubted}")
        if doubted := self._dialect.time_doubt(seen):
            raise WrongFormat(self._stream, doubted)
        self.rate_hz = self._asked_hz or round(got_hz, 1)
        self._times = self._new_times()
        for batch in batches:  # what the first half second tells of the delay
            self._times.learn(batch)


def _agree(got_hz: float, wanted_hz: float) -> bool:
    return abs(got_hz - wanted_hz) <= RATE_TOLERANCE * wanted_hz
