"""Which column of a table is which axis, and in which unit: as stated, or as its heading says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bindstream.errors import InvalidInput
from bindstream.imu import AXES

TIME = "t"
_ACCEL = "a|acc|accel|acceleration|accelerometer|linear_?acceleration"
_GYRO = "g|gyr|gyro|gyroscope|w|omega|angular_?velocity|rotation_?rate"
_UNIT = r"(?:[ _]*[\[(]?(?P<unit>m/s\^?2|m/s²|ms-?2|mps2|g|mg|rad/s|rads|rps|deg/s|dps|°/s)[\])]?)?"
_AXIS = re.compile(rf"(?:(?P<a>{_ACCEL})|(?P<g>{_GYRO}))[ _.\-]?(?P<axis>[xyz]){_UNIT}")
_TIME = re.compile(
    r"(?:t|time|timestamp|stamp|elapsed)?[ _]*"
    r"[\[(]?(?P<unit>s|sec|seconds|ms|millis|us|µs|micros|ns)?[\])]?"
)
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "millis": 1e-3,
            "us": 1e-6, "µs": 1e-6, "micros": 1e-6, "ns": 1e-9}  # fmt: skip
_UNITS = {"g": "g", "mg": "mg", "rad/s": "rad/s", "rads": "rad/s", "rps": "rad/s",
          "deg/s": "deg/s", "dps": "deg/s", "°/s": "deg/s"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the six axes stand, and the time (None: nowhere). ``seconds``: the length of one step
    of the time column, where its heading says; the units likewise."""

    axes: tuple[int, ...]
    time: int | None = None
    seconds: float | None = None
    accel_unit: str | None = None
    gyro_unit: str | None = None


def stated(names: Sequence[str], count: int) -> Columns:
    """From a list of ``count`` names: the six axes, ``t``, and any others, which are passed over.

    Raises InvalidInput where the file has another number of columns.
    """
    if len(names) != count:
        raise InvalidInput(f"{len(names)} columns were named ({', '.join(names)}), got {count}")
    time = names.index(TIME) if TIME in names else None
    return Columns(tuple(names.index(axis) for axis in AXES), time)


def by_heading(heading: Sequence[str]) -> Columns | None:
    """From a line of names, in the spellings that loggers use; None where they do not tell."""
    found: dict[str, int] = {}
    units: dict[str, str | None] = {}
    time, seconds = None, None
    for place, name in enumerate(heading):
        said = name.strip().strip("\"'").strip().lower()
        if match := _AXIS.fullmatch(said):
            kind = "a" if match["a"] else "g"
            found.setdefault(f"{kind}{match['axis']}", place)
            units.setdefault(kind, match["unit"])
        elif said and time is None and (match := _TIME.fullmatch(said)):
            time, seconds = place, _SECONDS.get(match["unit"] or "")
    if set(found) != set(AXES):
        return None
    accel, gyro = (_UNITS.get(u) if (u := units[kind]) else None for kind in "ag")
    if units["a"] and accel is None:
        accel = "m/s2"
    return Columns(tuple(found[axis] for axis in AXES), time, seconds, accel, gyro)


def by_count(count: int, rising_first: bool) -> Columns:
    """Without names: six are the axes; seven of which the first only rises, time and the axes.

    Raises InvalidInput for any other number.
    """
    if count == len(AXES):
        return Columns(tuple(range(count)))
    if count == len(AXES) + 1 and rising_first:
        return Columns(tuple(range(1, count)), 0)
    raise InvalidInput(f"wants six columns over time ({', '.join(AXES)}), got {count}")
