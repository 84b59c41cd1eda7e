"""Which column of a table is which axis, and in which unit: as stated, or as its heading says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.imu import ACCEL_UNITS, AXES, GYRO_UNITS
from bindstream.types import Array

TIME = "t"
_ACCEL = "a|acc|accel|acceleration|accelerometer|linear[ _]?acceleration|a_rs_s"
_GYRO = "g|gyr|gyro|gyroscope|w|omega|angular[ _]?velocity|rotation[ _]?rate|w_rs_s"
_BEFORE = r"(?:imu\d*[ _./]|(?:\w+[./])+)?"
_TIME = re.compile(
    r"(?:t|time|timestamp|stamp|elapsed)?[ _]*"
    r"[\[(]?(?P<unit>s|sec|seconds|ms|millis|us|µs|micros|ns)?[\])]?"
)
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "millis": 1e-3,
            "us": 1e-6, "µs": 1e-6, "micros": 1e-6, "ns": 1e-9}  # fmt: skip
_SPELT = {
    "m/s2": "m/s2 m/s^2 m/s² m/s/s m/s**2 ms-2 ms2 mps2 ms^-2",
    "g": "g g's gs",
    "mg": "mg",
    "rad/s": "rad/s rads rps rad/sec rads-1 rads^-1 radians/s",
    "deg/s": "deg/s degs dps deg/sec degs-1 degs^-1 degrees/s °/s °/sec",
    "mdeg/s": "mdeg/s mdps",
}
_UNITS = {spelt: unit for unit, known in _SPELT.items() for spelt in known.split()}
_BARE = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_AXIS = re.compile(
    rf"{_BEFORE}(?:(?P<a>{_ACCEL})|(?P<g>{_GYRO}))[ _./\-]?(?P<axis>[xyz])"
    rf"(?:[ _]*[\[(](?P<told>[^\])]*)[\])]|[ _]*(?P<unit>{_BARE}))?"
)
_KINDS = {"a": "accelerometer", "g": "gyroscope"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the six axes stand, and the time (None: nowhere). ``seconds``: the length of one step
    of the time column, where its heading says; ``units``: what it says of either sensor."""

    axes: tuple[int, ...]
    time: int | None = None
    seconds: float | None = None
    units: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def unit_of(self, sensor: str) -> str | None:
        """The unit in the heading. Raises InvalidInput for one that is not known, or two."""
        said = sorted(self.units.get(sensor, ()))
        if not said:
            return None
        known = ACCEL_UNITS if sensor == _KINDS["a"] else GYRO_UNITS
        if len(said) == 1 and said[0] in known:
            return said[0]
        raise InvalidInput(
            f"its heading gives the {sensor} in {' and '.join(said)}, wants one of"
            f" {', '.join(known)}"
        )


def stated(names: Sequence[str], count: int) -> Columns:
    """From a list of ``count`` names: the six axes, ``t``, and any others, which are passed over.

    Raises InvalidInput where the file has another number of columns.
    """
    if len(names) != count:
        raise InvalidInput(f"{len(names)} columns were named ({', '.join(names)}), got {count}")
    time = names.index(TIME) if TIME in names else None
    return Columns(tuple(names.index(axis) for axis in AXES), time)


def by_heading(heading: Sequence[str]) -> Columns | None:
    """From a line of names, in the spellings that loggers use; None where none is an axis' name.

    Raises InvalidInput where only some are, or one stands twice: which is which would be a guess.
    """
    found: dict[str, int] = {}
    units: dict[str, frozenset[str]] = {}
    time, seconds = None, None
    for place, name in enumerate(heading):
        said = name.strip().strip("\"'").strip().lower()
        if axis := _axis(said):
            kind, letter, unit = axis
            if f"{kind}{letter}" in found:
                raise InvalidInput(f"wants six columns over time, got {kind}{letter} twice")
            found[f"{kind}{letter}"] = place
            units[_KINDS[kind]] = units.get(_KINDS[kind], frozenset()) | ({unit} if unit else set())
        elif said and time is None and (match := _TIME.fullmatch(said)):
            time, seconds = place, _SECONDS.get(match["unit"] or "")
    if not found:
        return None
    if set(found) != set(AXES):
        raise InvalidInput(f"wants six columns over time ({', '.join(AXES)}), got {len(heading)}")
    return Columns(tuple(found[axis] for axis in AXES), time, seconds, units)


def _axis(name: str) -> tuple[str, str, str] | None:
    """Sensor (a, g), axis and unit ("" for none) that a name tells; None for another's name."""
    match = _AXIS.fullmatch(name)
    if not match:
        return None
    said = "".join((match["told"] or match["unit"] or "").split())
    return ("a" if match["a"] else "g"), match["axis"], _UNITS.get(said, said)


def by_count(table: Array) -> Columns:
    """Without names: six are the axes; seven of which the first only rises, time and the axes.

    Raises InvalidInput for any other number, and for a first column that may as well count.
    """
    count, steps = table.shape[1], np.diff(table[:, 0])
    if count == len(AXES):
        return Columns(tuple(range(count)))
    if count != len(AXES) + 1 or not (steps > 0).all():
        raise InvalidInput(f"wants six columns over time ({', '.join(AXES)}), got {count}")
    if (steps == 1).all():
        raise InvalidInput(
            "the first of seven columns rises by one: n passes such a count over, t takes it for"
            " milliseconds; they are"
        )
    return Columns(tuple(range(1, count)), 0)
