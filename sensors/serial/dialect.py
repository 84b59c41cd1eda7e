"""What the bytes of an inertial sensor mean: protocol, columns, units, and its own time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bindstream.imu import ACCEL_UNITS, AXES, GYRO_UNITS, doubt
from sensors import options
from sensors.device_clock import UNITS, DeviceClock
from sensors.sample_clock import SampleClock
from sensors.serial.bno055 import Bno055
from sensors.serial.lines import Lines, csv, json_object
from sensors.serial.nmea import Nmea
from sensors.serial.parser import Parser
from sensors.serial.vectornav import VectorNav
from sensors.serial.vectornav_binary import VectorNavBinary
from sensors.serial.witmotion import Reading, WitMotion
from sensors.serial.xsens import Xsens

RATE_TOLERANCE = 0.2
LEAST_LOSS_NS = 4_000_000
"""A loss shorter than this cannot be told from delay without the device's own time."""


LINES: dict[str, Callable[[str, Sequence[str]], Sequence[float]]] = {
    "csv": csv,
    "json": json_object,
    "nmea": csv,
}
"""Protocols whose numbers mean what the options say."""
POLL_HZ = 100.0
"""How often a device that must be asked is asked, where ``rate_hz`` does not say it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a device speaks, checked by ``dialect``. ``columns``: of CSV and NMEA, or a JSON object's
    keys. ``sentence``: the address of the NMEA sentences meant. ``rate_hz``: as asked for."""

    protocol: str
    accel_unit: str
    gyro_unit: str
    columns: tuple[str, ...]
    time_column: str | None
    time_unit: str
    sentence: str | None = None
    rate_hz: float | None = None

    def parser(self) -> Parser:
        """One that has read nothing yet."""
        return PROTOCOLS[self.protocol](self)

    def lines(self) -> Lines:
        """A parser of lines, whose numbers mean what the options say."""
        parse = LINES[self.protocol]
        lines = Lines(parse, self.columns, self.accel_unit, self.gyro_unit, time=self.time_column)
        lines.time_unit = self.time_unit if self.time_column is not None else None
        return lines

    def doubt(self, readings: Sequence[Reading]) -> str:
        """Why readings cannot be, by gravity, which tells of a wrong unit, of raw counts and of
        columns in another order; "" where they can."""
        units = ("g", "deg/s") if self.protocol == "witmotion" else ("m/s2", "rad/s")
        if self.protocol in LINES:
            units = (self.accel_unit, self.gyro_unit)
        doubted = doubt(np.array(readings)[:, :6].T, *units)
        return str(doubted) if doubted else ""

    def time_doubt(self, readings: Sequence[Reading]) -> str:
        """Why their time cannot place them: it stands still for readings on end; "" if it can."""
        if len(readings[0]) <= len(AXES):
            return ""
        times = np.array(readings)[:, 6]
        moved = int(np.count_nonzero(np.diff(times)))
        if moved >= 0.9 * (len(times) - 1):
            return ""
        what = f"moved {moved} times in {len(times)} readings"
        if self.time_column is None:
            return f"the device's own time {what}: leave it out of what the device sends"
        return (
            f"time_column {self.time_column} {what}: too coarse, or another column; leave it out, "
            "or name the right one"
        )


PROTOCOLS: dict[str, Callable[[Dialect], Parser]] = {
    "witmotion": lambda _: WitMotion(),
    "csv": Dialect.lines,
    "json": Dialect.lines,
    "nmea": lambda dialect: Nmea(dialect.lines(), dialect.sentence),
    "vectornav": lambda _: VectorNav(),
    "vectornav_binary": lambda _: VectorNavBinary(),
    "xsens": lambda _: Xsens(),
    "bno055": lambda dialect: Bno055(dialect.rate_hz or POLL_HZ),
}


def clock(rate_hz: float, time_unit: str | None) -> SampleClock | DeviceClock:
    """What stamps readings: their count, or the time in ``time_unit`` that they bring."""
    if time_unit is None:
        return SampleClock(rate_hz, RATE_TOLERANCE, LEAST_LOSS_NS)
    return DeviceClock(rate_hz, time_unit, RATE_TOLERANCE)


def dialect(
    stream: str,
    *,
    protocol: str,
    columns: Sequence[str],
    time_column: str | None,
    sentence: str | None = None,
    rate_hz: float | None = None,
    **units: Any,
) -> Dialect:
    """From the options of a driver, ``units`` being ``accel_unit``, ``gyro_unit`` and
    ``time_unit``. Raises ConfigError for one that cannot be."""
    protocol = options.one_of(stream, "protocol", protocol, PROTOCOLS)
    known = {"accel_unit": ACCEL_UNITS, "gyro_unit": GYRO_UNITS, "time_unit": UNITS}
    chosen = {key: options.one_of(stream, key, units[key], known[key]) for key in known}
    names = _checked_columns(stream, columns, json=protocol == "json")
    time = _checked_time(stream, time_column, protocol, names)
    told = _checked_sentence(stream, sentence, protocol)
    return Dialect(
        protocol, columns=names, time_column=time, sentence=told, rate_hz=rate_hz, **chosen
    )


def _checked_columns(stream: str, columns: Sequence[str], *, json: bool) -> tuple[str, ...]:
    strings = isinstance(columns, list | tuple) and all(isinstance(c, str) for c in columns)
    csv_right = strings and set(AXES) <= set(columns) and len(set(columns)) == len(columns)
    json_right = strings and len(set(columns)) == len(columns) == len(AXES)
    if not (json_right if json else csv_right):
        wanted = "six keys" if json else f"names that hold {', '.join(AXES)}"
        raise options.refused(stream, "columns", columns, wanted)
    return tuple(columns)


def _checked_time(
    stream: str, column: str | None, protocol: str, columns: tuple[str, ...]
) -> str | None:
    if column is None:
        return None
    column = options.text(stream, "time_column", column)
    named = protocol == "json" or column in columns
    if protocol not in LINES or column in AXES or not named:
        wanted = "a name among columns that is no axis, or a JSON key; none for other protocols"
        raise options.refused(stream, "time_column", column, wanted)
    return column


def _checked_sentence(stream: str, sentence: str | None, protocol: str) -> str | None:
    if sentence is None:
        return None
    if protocol != "nmea":
        raise options.refused(stream, "sentence", sentence, "none: it belongs to protocol nmea")
    return options.text(stream, "sentence", sentence).lstrip("$!")
