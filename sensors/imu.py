"""Inertial sensors on a serial port: WitMotion's binary protocol, CSV lines, JSON lines."""

from __future__ import annotations

import contextlib
import errno
import math
import select
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import serial

from bindstream.errors import ConfigError, DeviceLost, DeviceUnavailable, WrongFormat
from bindstream.types import Modality, Sample
from sensors import options
from sensors.driver import Clock
from sensors.imu_lines import ACCEL_UNITS, AXES, GYRO_UNITS, Lines, csv, json_object
from sensors.imu_witmotion import G, Reading, WitMotion
from sensors.sample_clock import SampleClock

FIRST_READING_S = 2.0
MEASURE_S = 0.5
RATE_TOLERANCE = 0.2
SILENCE_S = 1.0
BAUD_RATES = (1200, 4_000_000)


class Parser(Protocol):
    """Bytes -> readings of six values, m/s2 then rad/s; counts what it could not use."""

    bad: int
    skipped: int
    unpaired: int

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that these bytes complete."""


class SerialImu:
    """Readings of one IMU as (6,) float32: accelerometer m/s2, then gyroscope rad/s.

    ``port``: /dev/ttyUSB0 or better /dev/serial/by-id/.... ``protocol``: "witmotion", "csv" or
    "json". ``rate_hz``: wanted readings per second, checked at opening; None: whatever comes.
    ``accel_unit`` and ``gyro_unit``: what CSV and JSON numbers mean. ``columns``: the CSV columns
    in order, six of them ax ay az gx gy gz (others are passed over), or the JSON object's six
    keys in that order. ``delay_ms``: known delay of the device, taken off the time stamps.

    Times are the count of readings fitted to their arrival, which itself jitters by more than a
    reading's spacing. Raises ConfigError for an option that cannot be.
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
        delay_ms: float = 0.0,
    ) -> None:
        self._stream = stream
        self._port = options.text(stream, "port", port)
        self._baud = options.whole(stream, "baud", baud, *BAUD_RATES)
        self._protocol = options.one_of(stream, "protocol", protocol, ("witmotion", "csv", "json"))
        self._accel_unit = options.one_of(stream, "accel_unit", accel_unit, ACCEL_UNITS)
        self._gyro_unit = options.one_of(stream, "gyro_unit", gyro_unit, GYRO_UNITS)
        self._columns = self._checked_columns(columns)
        self._asked_hz = None
        if rate_hz is not None:
            self._asked_hz = options.number(stream, "rate_hz", rate_hz, 1.0, 4000.0)
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self.rate_hz = self._asked_hz or 100.0
        self._serial: serial.Serial | None = None
        self._now_ns: Clock = time.time_ns
        self._parser = self._new_parser()
        self._clock = SampleClock(self.rate_hz, RATE_TOLERANCE)
        self._past: dict[str, int] = {}
        self._heard_s = self._understood_s = 0.0

    @property
    def counters(self) -> dict[str, int]:
        """``bad`` frames or lines, ``skipped`` bytes, ``unpaired`` halves, ``jumps`` (losses)."""
        parser = self._parser
        counts = {"bad": parser.bad, "skipped": parser.skipped, "unpaired": parser.unpaired}
        counts["jumps"] = self._clock.jumps
        return {key: count + self._past.get(key, 0) for key, count in counts.items()}

    def open(self, now_ns: Clock) -> None:
        """Open the port, find readings in it, measure their rate. See sensors.driver.Driver."""
        self.close()
        self._now_ns = now_ns
        try:
            self._serial = self._open_port()
            self._past = self.counters
            self._parser = self._new_parser()
            self._clock = SampleClock(self.rate_hz, RATE_TOLERANCE)
            self._verify()
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> list[Sample]:
        """All readings that came, oldest first. Raises DeviceLost after a second of silence."""
        readings, arrival_ns, drained = self._receive(timeout_s)
        now_s = time.monotonic()
        if readings:
            self._understood_s = now_s
            return self._stamped(readings, arrival_ns, drained)
        longest_s = max(SILENCE_S, 5.0 / self.rate_hz)
        if now_s - self._heard_s > longest_s:
            raise DeviceLost(self._stream, f"{self._port} is silent since {longest_s:.1f} s")
        if now_s - self._understood_s > longest_s + SILENCE_S:
            raise DeviceLost(self._stream, f"{self._port}: bytes come, but no {self._protocol}")
        return []

    def close(self) -> None:
        """Release the port."""
        port, self._serial = self._serial, None
        if port is not None:
            with contextlib.suppress(OSError):  # it was pulled out
                port.close()

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

    def _new_parser(self) -> Parser:
        if self._protocol == "witmotion":
            return WitMotion()
        parse = csv if self._protocol == "csv" else json_object
        return Lines(parse, self._columns, self._accel_unit, self._gyro_unit)

    def _open_port(self) -> serial.Serial:
        try:
            port = serial.Serial(self._port, self._baud, timeout=0, exclusive=True)
        except ValueError as error:
            raise ConfigError(f"stream '{self._stream}': option baud: {error}") from error
        except OSError as error:
            raise DeviceUnavailable(self._stream, self._why_closed(error)) from error
        port.reset_input_buffer()
        return port

    def _why_closed(self, error: OSError) -> str:
        if not Path(self._port).exists():
            return f"{self._port} is absent; `bindstream devices` lists what is there"
        if error.errno in (errno.EAGAIN, errno.EBUSY):
            return f"{self._port} is busy: another program has it open"
        if error.errno in (errno.EACCES, errno.EPERM):
            return f"no permission for {self._port}: add this user to the group dialout"
        return f"{self._port} cannot be opened: {error}"

    def _verify(self) -> None:
        first, n_bytes = self._first_reading()
        if not first and n_bytes:
            raise WrongFormat(
                self._stream,
                f"{self._port} gave {n_bytes} bytes at {self._baud} baud, but no {self._protocol} "
                "reading: check baud and protocol",
            )
        if not first:
            raise DeviceUnavailable(
                self._stream, f"{self._port} gave nothing within {FIRST_READING_S:g} s"
            )
        self._measure(first[-1])

    def _first_reading(self) -> tuple[list[Reading], int]:
        """The first readings and how many bytes came until then."""
        n_bytes, deadline_s = 0, time.monotonic() + FIRST_READING_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            data = self._take(left_s)
            n_bytes += len(data)
            if readings := self._parser.feed(data):
                return readings, n_bytes
        return [], n_bytes

    def _measure(self, last: Reading) -> None:
        """Take the rate of half a second, ten readings at least, and start the clock with it."""
        start_s = end_s = time.monotonic()
        seen: list[Reading] = []
        while end_s - start_s < MEASURE_S or len(seen) < 10:
            readings, _, _ = self._receive(0.2)
            end_s = time.monotonic()
            seen += readings
            if end_s - start_s > 10 * FIRST_READING_S:
                raise DeviceUnavailable(self._stream, f"{self._port} stopped at once")
        got_hz = len(seen) / (end_s - start_s)
        self._check_rate(got_hz)
        self._check_unit([*seen, last])
        self.rate_hz = self._asked_hz or round(got_hz, 1)
        self._clock = SampleClock(self.rate_hz, RATE_TOLERANCE)
        self._heard_s = self._understood_s = end_s

    def _check_rate(self, got_hz: float) -> None:
        wanted_hz = self._asked_hz
        if wanted_hz is not None and abs(got_hz - wanted_hz) > RATE_TOLERANCE * wanted_hz:
            raise WrongFormat(
                self._stream,
                f"wanted rate_hz {wanted_hz:g}, {self._port} gives {got_hz:.4g}: set the device's "
                "output rate (and a baud rate that carries it), or rate_hz",
            )

    def _check_unit(self, readings: list[Reading]) -> None:
        """Gravity tells when g was taken for m/s2, or the other way round."""
        if self._protocol == "witmotion":
            return
        felt = sum(math.dist(reading[:3], (0, 0, 0)) for reading in readings) / len(readings)
        hint = {"m/s2": (1.0, "g"), "g": (G * G, "m/s2")}[self._accel_unit]
        if 0.85 < felt / hint[0] < 1.15:
            raise WrongFormat(
                self._stream,
                f"gravity would be {felt:.1f} m/s2 with accel_unit {self._accel_unit}; "
                f"the device seems to give {hint[1]}",
            )

    def _receive(self, timeout_s: float) -> tuple[list[Reading], int, bool]:
        """(readings, arrival of their last byte, whether nothing more waits)."""
        data = self._take(timeout_s)
        arrival_ns = self._now_ns()
        if data:
            self._heard_s = time.monotonic()
        return self._parser.feed(data), arrival_ns, len(data) < 4096

    def _take(self, timeout_s: float) -> bytes:
        """What the port holds; waits for the first byte."""
        if self._serial is None:
            raise DeviceLost(self._stream, "read before open")
        try:
            select.select([self._serial], [], [], max(timeout_s, 0.0))
            data: bytes = self._serial.read(4096)
        except (OSError, TypeError, ValueError) as error:  # ValueError: the file is closed
            raise DeviceLost(self._stream, f"{self._port} is gone: {error}") from error
        return data

    def _stamped(self, readings: list[Reading], arrival_ns: int, drained: bool) -> list[Sample]:
        first_ns = self._clock.stamp(len(readings), arrival_ns, drained) - self._delay_ns
        period_ns = self._clock.period_ns
        return [
            Sample(
                self._stream,
                first_ns + round(index * period_ns),
                np.array(reading, np.float32),
                arrival_ns,
            )
            for index, reading in enumerate(readings)
        ]
