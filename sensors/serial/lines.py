"""IMUs that print lines, as most Arduino sketches do: CSV or JSON text -> readings. Pure.

CSV: ``ax,ay,az,gx,gy,gz`` (comma, semicolon, tab or blanks), optionally ``*HH`` at the end, the
XOR in hex of the bytes before the star, as NMEA 0183 has it: a leading ``$`` or ``!`` is no part of
it. JSON: one object per line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from bindstream.imu import ACCEL_UNITS, AXES, GYRO_UNITS, MAX_ACCEL, MAX_GYRO, G
from sensors.serial.witmotion import Reading

__all__ = ["ACCEL_UNITS", "AXES", "GYRO_UNITS", "G", "Lines", "csv", "json_object", "shown"]

MAX_LINE_BYTES = 1024
SHOWN_BYTES = 60

_SEPARATOR = re.compile(r"[,;\s]+")
_CHECKED = re.compile(rb"(.*)\*([0-9A-Fa-f]{2})\Z", re.DOTALL)
_STARTS = (b"$", b"!")


class Lines:
    """Parses lines that may begin anywhere and may be damaged.

    ``columns`` names what each CSV column is (the six of AXES, and whatever else the device
    prints), or the JSON object's six keys; ``time`` the column or key of the device's own time,
    which then is a reading's seventh value. ``bad`` counts lines that were no reading, ``skipped``
    bytes of lines without end; ``unpaired`` is 0: a line is a whole reading.
    """

    def __init__(
        self,
        parse: Callable[[str, Sequence[str]], Sequence[float]],
        columns: Sequence[str] = AXES,
        accel_unit: str = "m/s2",
        gyro_unit: str = "rad/s",
        time: str | None = None,
    ) -> None:
        self.bad = 0
        self.skipped = 0
        self.unpaired = 0
        self.why = ""
        self.time_unit: str | None = None
        self._parse = parse
        self._columns = tuple(columns)
        self._wanted = (*(columns if parse is json_object else AXES), *([time] if time else []))
        self._scales = (ACCEL_UNITS[accel_unit],) * 3 + (GYRO_UNITS[gyro_unit],) * 3
        self._rest = b""
        self._began = False

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that are complete after these bytes, oldest first."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            self.skipped += len(self._rest)
            self.why = f"no line ends in {len(self._rest)} bytes: check baud and protocol"
            self._rest = b""
        readings = [self._reading(line.strip()) for line in lines]
        return [reading for reading in readings if reading is not None]

    def _reading(self, line: bytes) -> Reading | None:
        if not line:
            return None
        try:
            return self._measures(checked(line))
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
            # The first line is often cut off, or a heading: that is no damage.
            self.bad += self._began
            self.why = f"a line such as {shown(line)} {_fault(error)}"
            return None
        finally:
            self._began = True

    def _measures(self, text: str) -> Reading:
        if self._parse is json_object:
            values = json_object(text, self._wanted)
        else:
            values = csv(text, self._columns, self._wanted)
        scaled = tuple(v * s for v, s in zip(values[:6], self._scales, strict=True))
        if not in_range(scaled):
            raise ValueError(f"is out of range: {_beyond(scaled)}")
        if not all(map(math.isfinite, values[6:])):
            raise ValueError("has no time")
        return (*scaled, *values[6:])


def checked(line: bytes) -> str:
    """The text of a line without its checksum. Raises ValueError where that is wrong.

    Some devices count the leading ``$`` in, against the standard: that holds too.
    """
    if match := _CHECKED.match(line):
        line = match[1]
        body = line[1:] if line.startswith(_STARTS) else line
        told = int(match[2], 16)
        if told not in (xor(body), xor(line)):
            raise ValueError(f"has checksum {told:02X}, its bytes give {xor(body):02X}")
    try:
        return line.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("is no text: check baud and protocol") from None


def xor(line: bytes) -> int:
    """The checksum of NMEA 0183."""
    total = 0
    for byte in line:
        total ^= byte
    return total


def csv(text: str, columns: Sequence[str], wanted: Sequence[str] = AXES) -> list[float]:
    """A line of numbers -> the values of the columns wanted, in that order. Raises ValueError.

    A word before the numbers that begins with ``$`` or ``!``, as in NMEA 0183, is passed over.
    """
    fields = _SEPARATOR.split(text.strip(" ,;"))
    if len(fields) == len(columns) + 1 and text.startswith(("$", "!")):
        del fields[0]
    if len(fields) != len(columns):
        decimal = ": a comma as the decimal point?" if len(fields) == 2 * len(columns) else ""
        raise ValueError(
            f"has {len(fields)} columns, option columns names {len(columns)} "
            f"({', '.join(columns)}){decimal}"
        )
    named = dict(zip(columns, fields, strict=True))
    return [_number(name, named[name]) for name in wanted]


def _number(name: str, field: str) -> float:
    try:
        return float(field)
    except ValueError:
        raise ValueError(f"has no number in column {name}: '{field[:20]}'") from None


def json_object(text: str, wanted: Sequence[str] = AXES) -> list[float]:
    """``{"ax": 0.1, ...}`` -> the values of the keys wanted, in that order.

    Raises ValueError, KeyError.
    """
    try:
        found: Any = json.loads(text)
    except ValueError:
        raise ValueError("is no JSON object") from None
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")
    values = [found[key] for key in wanted]
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise ValueError("holds something that is no number")
    return [float(v) for v in values]


def _fault(error: Exception) -> str:
    return f"has no key {error}" if isinstance(error, KeyError) else str(error)


def shown(line: bytes) -> str:
    """A line for people, cut off where it is long."""
    text = repr(line[:SHOWN_BYTES].decode("latin-1"))
    return text if len(line) <= SHOWN_BYTES else f"{text}..."


def _beyond(reading: Sequence[float]) -> str:
    name, value = max(zip(AXES, reading, strict=True), key=lambda pair: _excess(*pair))
    unit = "m/s2" if name in AXES[:3] else "rad/s"
    return f"{name} would be {value:.4g} {unit}: raw counts, or another unit?"


def _excess(name: str, value: float) -> float:
    excess = abs(value) / (MAX_ACCEL if name in AXES[:3] else MAX_GYRO)
    return excess if math.isfinite(excess) else math.inf


def in_range(reading: Sequence[float]) -> bool:
    """Whether all are finite and such as a robot may feel."""
    return all(abs(v) <= MAX_ACCEL for v in reading[:3]) and all(
        abs(v) <= MAX_GYRO for v in reading[3:]
    )
