"""The simulated world's factors, and what holds at a moment: pure in (seed, time).

One robot stands before one or two objects. Six factors describe the moment; every sensor of
the world observes the same `WorldState`, so five processes that know the seed and the time
agree without talking to each other.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

OBJECTS = (
    "dog",
    "bird",
    "person",
    "car",
    "drone",
    "kettle",
    "clock",
    "campfire",
    "telephone",
    "fan",
    "bell",
    "guitar",
    "train",
    "washer",
    "frog",
    "fountain",
)
DISTANCES = ("near", "mid", "far")
MOTIONS = ("still", "forward", "turn left", "turn right")
FLOORS = ("carpet", "tiles", "gravel")
AMBIENTS = ("quiet", "rain", "alarm")
LIGHTS = ("day", "night")

FACTORS: dict[str, tuple[str, ...]] = {
    "object": OBJECTS,
    "distance": DISTANCES,
    "motion": MOTIONS,
    "floor": FLOORS,
    "ambient": AMBIENTS,
    "light": LIGHTS,
}

RANGES_M = {"near": (1.0, 1.2), "mid": (1.5, 1.75), "far": (2.1, 2.4)}
"""Metres from the camera to an object, by word; the gaps keep the words apart."""

BANKS = {"train": (0, 32), "test": (32, 24)}
"""First index and number of skins (wall, floor, object, sound) per bank: disjoint."""

Truth: TypeAlias = dict[str, list[str] | str]


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: ``bearing`` is its centre across the picture, 0 left to 1 right;
    ``skin`` an index of its bank; ``key`` seeds its pose, pitch and phase."""

    name: str
    distance: str
    range_m: float
    bearing: float
    skin: int
    key: int


@dataclass(frozen=True, slots=True)
class Move:
    """Constant motion since ``since_s``: ``speed_mps`` ahead or ``turn_rps`` (rad/s,
    counter-clockwise positive), from position ``x_m, y_m`` and ``heading_rad`` (clockwise)."""

    since_s: float
    x_m: float
    y_m: float
    heading_rad: float
    speed_mps: float
    turn_rps: float

    def pose_at(self, t_s: float) -> tuple[float, float, float]:
        """x (m), y (m) and heading (rad, clockwise) at ``t_s``."""
        run_s = t_s - self.since_s
        ahead = self.speed_mps * run_s
        x_m = self.x_m + ahead * math.sin(self.heading_rad)
        y_m = self.y_m + ahead * math.cos(self.heading_rad)
        return x_m, y_m, self.heading_rad - self.turn_rps * run_s


@dataclass(frozen=True, slots=True)
class WorldState:
    """Everything that holds at one moment. ``body`` seeds what belongs to the robot (mounting,
    biases, noise), ``place`` what belongs to the room (clutter, temperatures)."""

    things: tuple[Thing, ...]
    motion: str
    floor: str
    ambient: str
    light: str
    move: Move
    wall_skin: int
    floor_skin: int
    body: int
    place: int

    def truth(self) -> Truth:
        """What a listener may be asked: objects (nearest first), and one word per factor.

        ``distance`` is that of the nearest object.
        """
        return {
            "object": [thing.name for thing in self.things],
            "distance": self.things[0].distance,
            "motion": self.motion,
            "floor": self.floor,
            "ambient": self.ambient,
            "light": self.light,
        }


def key(*parts: int | str) -> int:
    """A 32-bit number that depends on all parts alone: the same in every process."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def rng(*parts: int | str) -> np.random.Generator:
    """A generator seeded by the parts alone."""
    return np.random.Generator(np.random.PCG64(key(*parts)))


def place_things(
    draw: np.random.Generator, names: list[str], distances: list[str], bank: str
) -> tuple[Thing, ...]:
    """Put one or two named objects before the robot, nearest first, side by side."""
    first, count = BANKS[bank]
    centre = draw.uniform(0.32, 0.68)
    left = draw.uniform(0.24, 0.28)
    bearings = [centre] if len(names) == 1 else [left, left + draw.uniform(0.46, 0.5)]
    if draw.random() < 0.5:
        bearings.reverse()
    things = [
        Thing(
            name=name,
            distance=distance,
            range_m=float(draw.uniform(*RANGES_M[distance])),
            bearing=float(bearing),
            skin=first + int(draw.integers(count)),
            key=int(draw.integers(2**31)),
        )
        for name, distance, bearing in zip(names, distances, bearings, strict=True)
    ]
    return tuple(sorted(things, key=lambda thing: thing.range_m))


def draw_move(
    draw: np.random.Generator, motion: str, since_s: float, start: tuple[float, float, float]
) -> Move:
    """A speed and a turn rate for that motion, from the pose ``start``."""
    speed = draw.uniform(0.55, 1.1) if motion == "forward" else 0.0
    turn = draw.uniform(0.2, 0.5) if motion.startswith("turn") else 0.0
    sign = -1.0 if motion == "turn right" else 1.0
    return Move(since_s, *start, float(speed), float(sign * turn))


def draw_skin(draw: np.random.Generator, bank: str) -> int:
    """One index of a bank's skins."""
    first, count = BANKS[bank]
    return first + int(draw.integers(count))
