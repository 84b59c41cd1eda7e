"""What the world's inertial unit feels: 400 readings a second, a pure function of the tick.

The body frame is x ahead, y left, z up; the unit is mounted askew by a random rotation and has
biases, both fixed per body. Floors shake by their spectrum while the robot moves; bumps and
slips disturb every motion, standing still included (somebody knocks against the robot).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bindstream.types import Array
from sensors.world.state import WorldState, rng

IMU_HZ = 400
GRAVITY = 9.80665
_LOOP = 1 << 14
_BUMP_SLOT_S = 1.7
_FLOOR_BAND_HZ = {"carpet": (3.0, 22.0), "tiles": (35.0, 80.0), "gravel": (10.0, 180.0)}
_FLOOR_SHAKE = {"carpet": 0.35, "tiles": 0.7, "gravel": 2.2}
"""Standard deviation of the vertical shake at 1 m/s, in m/s2."""


def readings(state: WorldState, first: int, count: int) -> Array:
    """``(6, count)`` float32 from tick ``first`` (world time x 400): accelerometer m/s2, then
    gyroscope rad/s."""
    ticks = np.arange(first, first + count)
    body = _body(state.body)
    accel = np.zeros((3, count))
    gyro = np.zeros((3, count))
    accel[2] += GRAVITY
    _drive(state, ticks, accel, gyro)
    _disturb(state, ticks, accel, gyro)
    noise = _bank()[:, (ticks * 1 + body.phase) % _LOOP]
    accel = body.mount @ accel + body.accel_bias + 0.03 * noise[:3]
    gyro = body.mount @ gyro + body.gyro_bias + 0.004 * noise[3:]
    return np.concatenate([accel, gyro]).astype(np.float32)


class _Body:
    """How the unit is screwed on, and its biases: fixed for one robot."""

    def __init__(self, key: int) -> None:
        draw = rng("mount", key)
        axis = draw.normal(size=3)
        axis /= np.linalg.norm(axis)
        self.mount = _rotation(axis, np.deg2rad(draw.uniform(0, 14)))
        self.accel_bias = draw.normal(0, 0.12, (3, 1))
        self.gyro_bias = draw.normal(0, 0.012, (3, 1))
        self.phase = int(draw.integers(_LOOP))


@lru_cache(maxsize=256)
def _body(key: int) -> _Body:
    return _Body(key)


def _rotation(axis: Array, angle: float) -> Array:
    """Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _drive(state: WorldState, ticks: Array, accel: Array, gyro: Array) -> None:
    """Turning, pushing ahead, wheels and floor."""
    if state.motion == "still":
        return
    seconds = ticks / IMU_HZ
    move = state.move
    wobble = 1 + 0.12 * np.sin(2 * np.pi * 0.7 * seconds + state.body % 7)
    gyro[2] += move.turn_rps * wobble
    pace = move.speed_mps if state.motion == "forward" else 0.5
    accel[0] += 0.25 * np.sin(2 * np.pi * 1.1 * seconds) * (state.motion == "forward")
    accel[1] += move.turn_rps * 0.3 * wobble
    shake = _floor_shake(state.floor)[:, (ticks + state.body) % _LOOP]
    strength = _FLOOR_SHAKE[state.floor] * (0.5 + 0.5 * pace)
    accel += strength * np.array([[0.5], [0.5], [1.0]]) * shake[:3]
    gyro += 0.05 * strength * np.array([[1.0], [1.0], [0.3]]) * shake[3:]
    wheel = 2 * np.pi * 62 * pace * seconds
    accel[2] += 0.12 * np.sin(wheel)
    if state.motion == "forward":
        # A robot that drives ahead nods and rolls by its gait; one that turns in place does not.
        gyro[1] += 0.06 * np.sin(2 * np.pi * 2.2 * pace * seconds)
        accel[2] += 0.3 * np.sin(2 * np.pi * 2.2 * pace * seconds + 1.0)


def _disturb(state: WorldState, ticks: Array, accel: Array, gyro: Array) -> None:
    """Bumps (a jolt that rings) and, on the move, slips (a brief wrong yaw)."""
    seconds = ticks / IMU_HZ
    slots = range(int(seconds[0] // _BUMP_SLOT_S) - 1, int(seconds[-1] // _BUMP_SLOT_S) + 1)
    for slot in slots:
        draw = rng("bump", state.body, slot)
        if draw.random() > 0.45:
            continue
        since = seconds - (slot + draw.random()) * _BUMP_SLOT_S
        ring = np.where(since > 0, np.exp(-np.clip(since, 0, 9) / 0.06), 0.0)
        wave = ring * np.sin(2 * np.pi * draw.uniform(11, 25) * since)
        accel += draw.normal(0, 1, (3, 1)) * np.array([[1.5], [1.5], [3.5]]) * wave
        gyro += draw.normal(0, 0.25, (3, 1)) * wave
        if state.motion != "still" and draw.random() < 0.5:
            slip = np.exp(-(((since - 0.2) / 0.08) ** 2))
            gyro[2] += draw.normal(0, 0.35) * slip
            accel[1] += draw.normal(0, 1.0) * slip


@lru_cache(maxsize=3)
def _floor_shake(floor: str) -> Array:
    """(6, 16384) of unit deviation in that floor's band, looping without a seam."""
    spectrum = np.fft.rfft(rng("shake", floor).normal(size=(6, _LOOP)))
    hertz = np.fft.rfftfreq(_LOOP, 1 / IMU_HZ)
    low, high = _FLOOR_BAND_HZ[floor]
    shaken = np.fft.irfft(spectrum * ((hertz > low) & (hertz < high)), _LOOP)
    if floor == "tiles":
        # Joints: the shake comes in knocks.
        shaken *= 0.3 + 2.5 * (np.arange(_LOOP) % 128 < 24)
    return np.asarray(shaken / shaken.std(axis=1, keepdims=True))


@lru_cache(maxsize=1)
def _bank() -> Array:
    return rng("imu noise").normal(size=(6, _LOOP))
