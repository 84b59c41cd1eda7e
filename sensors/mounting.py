"""How a sensor is mounted: the rotation from its axes to the robot's. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bindstream.types import Array
from sensors import options

WANTED = "{rpy_deg: [roll, pitch, yaw]} or {quaternion: [w, x, y, z]}"
LENGTHS = {"rpy_deg": 3, "quaternion": 4}
UNIT_TOLERANCE = 0.01


def rotation(stream: str, mounting: Any) -> Array | None:
    """The option ``mounting`` -> (3, 3) float64 that turns a vector of the sensor's axes into one
    of the robot's; None where they are the same.

    ``rpy_deg``: roll about x, pitch about y, yaw about z, in this order about fixed axes, degrees
    (the ``rpy`` of a URDF's origin, REP 103). ``quaternion``: w x y z, of length 1 within a
    hundredth. Raises ConfigError.
    """
    if mounting is None:
        return None
    if not isinstance(mounting, dict) or len(mounting) != 1 or not set(mounting) <= set(LENGTHS):
        raise options.refused(stream, "mounting", mounting, WANTED)
    (key, values) = next(iter(mounting.items()))
    numbers = _numbers(stream, key, values)
    if key == "rpy_deg":
        return from_rpy(*(math.radians(number) for number in numbers))
    length = math.hypot(*numbers)
    if abs(length - 1.0) > UNIT_TOLERANCE:
        raise options.refused(stream, "mounting", mounting, "a quaternion of length 1")
    return from_quaternion(*(number / length for number in numbers))


def _numbers(stream: str, key: str, values: Any) -> list[float]:
    n = LENGTHS[key]
    if not isinstance(values, list | tuple) or len(values) != n:
        raise options.refused(stream, "mounting", {key: values}, WANTED)
    return [options.number(stream, "mounting", value, -360.0, 360.0) for value in values]


def from_rpy(roll: float, pitch: float, yaw: float) -> Array:
    """Radians -> Rz(yaw) Ry(pitch) Rx(roll)."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a), math.sin(a)) for a in (roll, pitch, yaw))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def from_quaternion(w: float, x: float, y: float, z: float) -> Array:
    """A unit quaternion -> its rotation matrix."""
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def turned(reading: Sequence[float], rotation: Array | None) -> Array:
    """Six values, accelerometer then gyroscope, -> (6,) float32 in the robot's axes."""
    six = np.array(reading[:6], np.float64)
    if rotation is not None:
        six = (rotation @ six.reshape(2, 3).T).T.reshape(6)
    narrow: Array = six.astype(np.float32)
    return narrow
