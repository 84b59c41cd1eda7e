"""What the bytes of an inertial sensor mean: protocol, columns, units, and its own time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bindstream.imu import ACCEL_UNITS, AXES, GYRO_UNITS, doubt
from sensors import options
from sensors.device_clock import UNITS, DeviceClock
from sensors.imu_lines import Lines, csv, json_object
from sensors.imu_witmotion import Reading, WitMotion
from sensors.sample_clock import SampleClock

PROTOCOLS = ("witmotion", "csv", "json")
RATE_TOLERANCE = 0.2
LEAST_LOSS_NS = 4_000_000
"""A loss shorter than this cannot be told from delay without the device's own time."""


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


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a device speaks, checked by ``dialect``. ``columns``: of CSV, or a JSON object's keys."""

    protocol: str
    accel_unit: str
    gyro_unit: str
    columns: tuple[str, ...]
    time_column: str | None
    time_unit: str

    def parser(self) -> Parser:
        """One that has read nothing yet."""
        if self.protocol == "witmotion":
            return WitMotion()
        parse = csv if self.protocol == "csv" else json_object
        return Lines(parse, self.columns, self.accel_unit, self.gyro_unit, time=self.time_column)

    def clock(self, rate_hz: float) -> SampleClock | DeviceClock:
        """What stamps its readings: their count, or the time that they bring."""
        if self.time_column is None:
            return SampleClock(rate_hz, RATE_TOLERANCE, LEAST_LOSS_NS)
        return DeviceClock(rate_hz, self.time_unit, RATE_TOLERANCE)

    def doubt(self, readings: Sequence[Reading]) -> str:
        """Why readings cannot be, by gravity, which tells of a wrong unit, of raw counts and of
        columns in another order; "" where they can."""
        fixed = self.protocol == "witmotion"
        units = ("g", "deg/s") if fixed else (self.accel_unit, self.gyro_unit)
        doubted = doubt(np.array(readings)[:, :6].T, *units)
        return str(doubted) if doubted else ""

    def time_doubt(self, readings: Sequence[Reading]) -> str:
        """Why their time cannot place them: it stands still for readings on end; "" if it can."""
        if self.time_column is None:
            return ""
        times = np.array(readings)[:, 6]
        moved = int(np.count_nonzero(np.diff(times)))
        if moved >= 0.9 * (len(times) - 1):
            return ""
        return (
            f"time_column {self.time_column} moved {moved} times in {len(times)} readings: "
            "too coarse, or another column; leave it out, or name the right one"
        )


def dialect(
    stream: str, *, protocol: str, columns: Sequence[str], time_column: str | None, **units: Any
) -> Dialect:
    """From the options of a driver, ``units`` being ``accel_unit``, ``gyro_unit`` and
    ``time_unit``. Raises ConfigError for one that cannot be."""
    protocol = options.one_of(stream, "protocol", protocol, PROTOCOLS)
    known = {"accel_unit": ACCEL_UNITS, "gyro_unit": GYRO_UNITS, "time_unit": UNITS}
    chosen = {key: options.one_of(stream, key, units[key], known[key]) for key in known}
    names = _checked_columns(stream, columns, json=protocol == "json")
    time = _checked_time(stream, time_column, protocol, names)
    return Dialect(protocol, columns=names, time_column=time, **chosen)


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
    if protocol == "witmotion" or column in AXES or not named:
        wanted = "a name among columns that is no axis, or a JSON key; none for witmotion"
        raise options.refused(stream, "time_column", column, wanted)
    return column
