"""IMUs that print lines, as most Arduino sketches do: CSV or JSON text -> readings. Pure.

CSV: ``ax,ay,az,gx,gy,gz`` (comma, semicolon, tab or blanks), optionally ``*HH`` at the end, the
XOR of all bytes before the star in hex, as NMEA 0183 has it. JSON: one object per line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from sensors.imu_witmotion import G, Reading

AXES = ("ax", "ay", "az", "gx", "gy", "gz")
ACCEL_UNITS = {"m/s2": 1.0, "g": G}
GYRO_UNITS = {"rad/s": 1.0, "deg/s": math.pi / 180}
MAX_LINE_BYTES = 1024
MAX_ACCEL, MAX_GYRO = 400 * G, 300.0
"""m/s2 and rad/s that no robot reaches: beyond them, a line is damaged."""

_SEPARATOR = re.compile(r"[,;\s]+")
_CHECKED = re.compile(rb"(.*)\*([0-9A-Fa-f]{2})\Z", re.DOTALL)


class Lines:
    """Parses lines that may begin anywhere and may be damaged.

    ``columns`` names what each CSV column (or JSON key) is: the six of AXES, and whatever else
    the device prints. ``bad`` counts lines that were no reading, ``skipped`` bytes of lines
    without end; ``unpaired`` is 0: a line is a whole reading.
    """

    def __init__(
        self,
        parse: Callable[[str, Sequence[str]], Sequence[float]],
        columns: Sequence[str] = AXES,
        accel_unit: str = "m/s2",
        gyro_unit: str = "rad/s",
    ) -> None:
        self.bad = 0
        self.skipped = 0
        self.unpaired = 0
        self._parse = parse
        self._columns = tuple(columns)
        self._scales = (ACCEL_UNITS[accel_unit],) * 3 + (GYRO_UNITS[gyro_unit],) * 3
        self._rest = b""
        self._began = False

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that are complete after these bytes, oldest first."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            self.skipped += len(self._rest)
            self._rest = b""
        readings = [self._reading(line.strip()) for line in lines]
        return [reading for reading in readings if reading is not None]

    def _reading(self, line: bytes) -> Reading | None:
        if not line:
            return None
        try:
            values = self._parse(checked(line), self._columns)
            reading = tuple(v * s for v, s in zip(values, self._scales, strict=True))
            if not in_range(reading):
                raise ValueError("out of range")
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            # The first line is often cut off, or a heading: that is no damage.
            self.bad += self._began
            return None
        finally:
            self._began = True
        return reading


def checked(line: bytes) -> str:
    """The text of a line without its checksum. Raises ValueError where that is wrong."""
    if match := _CHECKED.match(line):
        line = match[1]
        if xor(line) != int(match[2], 16):
            raise ValueError("checksum")
    return line.decode("ascii")


def xor(line: bytes) -> int:
    """The checksum of NMEA 0183."""
    total = 0
    for byte in line:
        total ^= byte
    return total


def csv(text: str, columns: Sequence[str]) -> list[float]:
    """A line of numbers -> six values in the order of AXES. Raises ValueError."""
    fields = _SEPARATOR.split(text.strip(" ,;"))
    if len(fields) != len(columns):
        raise ValueError(f"{len(fields)} columns")
    named = dict(zip(columns, fields, strict=True))
    return [float(named[axis]) for axis in AXES]


def json_object(text: str, columns: Sequence[str]) -> list[float]:
    """``{"ax": 0.1, ...}`` -> six values in the order of AXES. Raises ValueError, KeyError.

    ``columns`` lists the device's own keys for AXES where they are called otherwise.
    """
    found: Any = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("no object")
    values = [found[key] for key in columns[:6]]
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise ValueError("no number")
    return [float(v) for v in values]


def in_range(reading: Sequence[float]) -> bool:
    """Whether all are finite and such as a robot may feel."""
    return all(abs(v) <= MAX_ACCEL for v in reading[:3]) and all(
        abs(v) <= MAX_GYRO for v in reading[3:]
    )
