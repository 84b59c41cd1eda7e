"""Skins of the world's rooms: walls, floors and camera noise, drawn once per index and kept."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from bindstream.types import Array
from sensors.world.drawings import kept
from sensors.world.state import rng

WALL_PX = (120, 1216)
"""Rows and columns of a wall: 360 degrees around the robot."""
FLOOR_PX = 256
FLOOR_M = 3.0
"""A floor skin repeats after this many metres."""


@kept(live=2)
def wall(skin: int) -> Array:
    """(120, 1216, 3) uint8 RGB, seamless across: plain paint with panels, stripes and windows."""
    draw = rng("wall", skin)
    rows, columns = WALL_PX
    paint = draw.uniform(90, 200, 3)
    image = np.full((rows, columns, 3), paint, np.float32)
    edges = np.arange(0, columns - 30, 38) + draw.integers(0, 30, 32)
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        _panel(draw, image, paint, int(left), int(right))
    skirt = paint * draw.uniform(0.35, 0.6)
    cv2.rectangle(image, (0, rows - 17), (columns, rows), skirt.tolist(), -1)
    return _grain(draw, image, 5.0)


def _panel(draw: np.random.Generator, image: Array, paint: Array, left: int, right: int) -> None:
    tone = np.clip(paint + draw.uniform(-75, 75, 3), 20, 245).tolist()
    top = int(draw.integers(0, 60))
    bottom = int(draw.integers(top + 20, 108))
    cv2.rectangle(image, (left, top), (right, bottom), tone, -1)
    dark = [0.55 * value for value in tone]
    if draw.random() < 0.5:
        cv2.rectangle(image, (left, top), (right, bottom), dark, 3)
    else:
        for column in range(left, right, int(draw.integers(14, 30))):
            cv2.line(image, (column, top), (column, bottom), dark, 3)


@kept(live=2)
def floor(kind: str, skin: int) -> Array:
    """(256, 256, 3) uint8 RGB, seamless, 3 m x 3 m of carpet, tiles or gravel."""
    draw = rng("floor", kind, skin)
    return {"carpet": _carpet, "tiles": _tiles, "gravel": _gravel}[kind](draw)


def _carpet(draw: np.random.Generator) -> Array:
    base = draw.uniform(60, 190, 3)
    image = np.full((FLOOR_PX, FLOOR_PX, 3), base, np.float32)
    spot = np.clip(base + draw.choice([-1, 1]) * draw.uniform(35, 70, 3), 15, 240).tolist()
    for _ in range(int(draw.integers(9, 14))):
        centre = draw.integers(0, FLOOR_PX, 2)
        axes = draw.integers(10, 26, 2).tolist()
        angle = float(draw.uniform(0, 180))
        for shift in np.ndindex(3, 3):
            middle = (centre + (np.array(shift) - 1) * FLOOR_PX).tolist()
            cv2.ellipse(image, middle, axes, angle, 0, 360, spot, -1)
    return _grain(draw, image, 9.0)


def _tiles(draw: np.random.Generator) -> Array:
    across = int(draw.choice([4, 8]))
    side = FLOOR_PX // across
    base = draw.uniform(110, 205, 3)
    shade = draw.uniform(0.72, 1.2, (across, across, 1))
    image = np.kron(np.clip(base * shade, 0, 250), np.ones((side, side, 1))).astype(np.float32)
    joint = (base * draw.choice([0.3, 0.4])).tolist()
    for edge in range(0, FLOOR_PX + 1, side):
        cv2.line(image, (edge, 0), (edge, FLOOR_PX), joint, 5)
        cv2.line(image, (0, edge), (FLOOR_PX, edge), joint, 5)
    return _grain(draw, image, 3.0)


def _gravel(draw: np.random.Generator) -> Array:
    base = draw.uniform(70, 130) * (1 + draw.uniform(-0.1, 0.1, 3))
    image = np.full((FLOOR_PX, FLOOR_PX, 3), base, np.float32)
    for _ in range(420):
        centre = draw.integers(0, FLOOR_PX, 2).tolist()
        tone = np.clip(base * draw.uniform(0.3, 2.0), 5, 245).tolist()
        cv2.circle(image, centre, int(draw.integers(2, 7)), tone, -1)
    return _grain(draw, image, 14.0)


def _grain(draw: np.random.Generator, image: Array, strength: float) -> Array:
    rough = draw.normal(0, strength, (*image.shape[:2], 1))
    return np.clip(image + rough, 0, 255).astype(np.uint8)


@lru_cache(maxsize=4)
def camera_noise(deviation: float) -> Array:
    """(512, 512, 3) int16 of that standard deviation in grey levels: cut anywhere."""
    noise = rng("camera noise").normal(0, deviation, (512, 512, 3))
    return noise.round().astype(np.int16)


@lru_cache(maxsize=1)
def field_noise() -> Array:
    """(256, 256) float32, standard normal: noise of the depth and thermal cameras."""
    return rng("field noise").standard_normal((256, 256)).astype(np.float32)
