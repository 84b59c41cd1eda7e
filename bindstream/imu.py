"""What an IMU's numbers may be: (6, n) in m/s2 and rad/s, accelerometer first. Pure.

Gravity tells: over seconds a robot's accelerometer feels about one g, whatever the robot does. So
the mean of its length shows a wrong unit, raw counts, and columns in another order. Used by
`embed`, `bind`, `push` and the serial driver alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bindstream.doubt import Doubt
from bindstream.errors import InvalidInput
from bindstream.types import Array

G = 9.80665
AXES = ("ax", "ay", "az", "gx", "gy", "gz")
ACCEL_UNITS = {"m/s2": 1.0, "g": G, "mg": G / 1000}
GYRO_UNITS = {"rad/s": 1.0, "deg/s": math.pi / 180, "mdeg/s": math.pi / 180_000}
LEAST_FELT, MOST_FELT = 3.0, 30.0
"""m/s2: what the mean length of the acceleration may be over some seconds."""
MOST_SPIN = 35.0
"""rad/s: full scale of a 2000 deg/s gyroscope; no mean lies beyond."""
MAX_ACCEL, MAX_GYRO = 400 * G, 300.0
"""m/s2 and rad/s that no single reading of a robot reaches: beyond them it is damaged."""
_COUNTS_PER_G = (1024, 2048, 4096, 8192, 16384)


def si(signal: Array, accel_unit: str = "m/s2", gyro_unit: str = "rad/s") -> Array:
    """(6, n) in the units stated -> float32 (6, n), m/s2 and rad/s."""
    scales = [ACCEL_UNITS[accel_unit]] * 3 + [GYRO_UNITS[gyro_unit]] * 3
    wide: Array = signal * np.array(scales)[:, None]
    return wide.astype(np.float32)


def rows(array: Array) -> Array:
    """(6, n) or (n, 6), any numbers, any byte order -> finite (6, n) of this machine's floats.

    (6, 6) is taken as it lies. Raises InvalidInput, saying what was wanted and what came.
    """
    if array.ndim == 2 and array.shape[0] != len(AXES) == array.shape[1]:
        array = array.T
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[0] != len(AXES):
        came = f"{array.dtype} {array.shape}"
        raise InvalidInput(f"wants six columns over time ({', '.join(AXES)}), got {came}")
    signal = array.astype(np.float64)
    bad = np.flatnonzero((~np.isfinite(signal)).any(axis=0))
    if len(bad):
        raise InvalidInput(
            f"{len(bad)} of {signal.shape[1]} readings hold values that are not finite, the first"
            f" is reading {bad[0] + 1}"
        )
    return signal


def out_of_range(readings: Array) -> Array:
    """(6, n) -> (n,) bool: which readings no robot can feel (or are not finite)."""
    most = np.array([MAX_ACCEL] * 3 + [MAX_GYRO] * 3)[:, None]
    good: Array = np.asarray((np.abs(readings) <= most).all(axis=0))
    return ~good


def doubt(signal: Array, accel_unit: str = "m/s2", gyro_unit: str = "rad/s") -> Doubt | None:
    """Why some seconds of readings, (6, n) in m/s2 and rad/s, cannot be; None where they can.

    ``accel_unit`` and ``gyro_unit`` are what the numbers had been declared to be.
    """
    return doubt_of_means(*felt(signal), accel_unit, gyro_unit)


def felt(signal: Array) -> tuple[float, float]:
    """The mean length of the acceleration and of the rate of turn, of (6, n)."""
    wide = np.asarray(signal, np.float64)
    accel, spin = (float(np.linalg.norm(part, axis=0).mean()) for part in (wide[:3], wide[3:]))
    return accel, spin


def doubt_of_means(
    accel: float, spin: float, accel_unit: str = "m/s2", gyro_unit: str = "rad/s"
) -> Doubt | None:
    """As ``doubt``, from the two means of ``felt``."""
    if LEAST_FELT <= accel <= MOST_FELT:
        return _spin_doubt(spin, gyro_unit)
    what = f"gravity would be {accel:.3g} m/s2 with the accelerometer in {accel_unit}"
    came = accel / ACCEL_UNITS[accel_unit]
    for unit, scale in ACCEL_UNITS.items():
        if unit != accel_unit and _is_about(came * scale, G):
            return Doubt(what, f"the device seems to give {unit}", unit, scale)
    if accel < LEAST_FELT <= spin <= MOST_FELT:
        return Doubt(what, "the gyroscope's columns seem to come first")
    for counts in _COUNTS_PER_G:
        if _is_about(came, counts):
            return Doubt(what, f"these seem to be raw counts, {counts} per g", scale=G / counts)
    if accel < LEAST_FELT:
        return Doubt(what, "gravity seems to be taken off, or the unit or the columns are wrong")
    return Doubt(what, "the unit or the order of the columns is wrong")


def _spin_doubt(spin: float, gyro_unit: str) -> Doubt | None:
    if spin <= MOST_SPIN:
        return None
    what = f"the robot would turn at {spin:.3g} rad/s with the gyroscope in {gyro_unit}"
    for unit in ("deg/s", "mdeg/s") if gyro_unit == "rad/s" else ():
        if spin * GYRO_UNITS[unit] <= MOST_SPIN:
            return Doubt(what, f"the device seems to give {unit}", unit, GYRO_UNITS[unit])
    return Doubt(what, "the gyroscope's unit is wrong")


def _is_about(value: float, wanted: float) -> bool:
    return 0.85 < value / wanted < 1.15


def reading_doubt(reading: Sequence[float] | Array) -> str | None:
    """Why one reading cannot be, in words; None where it can."""
    values = np.asarray(reading, np.float64)[:, None]
    if not out_of_range(values)[0]:
        return None
    return (
        f"wanted at most {MAX_ACCEL:.0f} m/s2 and {MAX_GYRO:.0f} rad/s, got"
        f" {np.abs(values[:3]).max():.3g} and {np.abs(values[3:]).max():.3g}"
    )
