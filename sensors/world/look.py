"""What the world's cameras see of one state at one time: colour, depth, heat.

A pinhole camera 0.45 m above a floor, 60 degrees wide, before a wall 5 m away. Floor and wall
flow with the robot's pose; the objects keep their station (they come along), so that single
frames, and above all depth and heat, tell nothing of the robot's motion. Depth and thermal
never read `WorldState.move`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from bindstream.types import Array, DepthMeta
from sensors.world import skins
from sensors.world.drawings import kept
from sensors.world.sprites import sprite
from sensors.world.state import Thing, WorldState, rng

CAMERA_PX = 224
FIELD_PX = 112
"""Height and width of the depth and thermal cameras: half the colour camera's."""
FOCAL_PX = 194.0
"""Of the colour camera: 60 degrees across 224 pixels."""
CAMERA_HEIGHT_M = 0.45
WALL_M = 5.0
OBJECT_M = 0.66
"""Every object of this toy world fits a square of this side."""
HORIZON_ROW = 92.0
DEPTH_META = DepthMeta(fx_px=FOCAL_PX / 2, baseline_m=0.05)

_CENTRE = CAMERA_PX / 2
_FOOT_ROW = round(HORIZON_ROW + FOCAL_PX * CAMERA_HEIGHT_M / WALL_M)


def frame(state: WorldState, t_s: float) -> Array:
    """The colour camera: (224, 224, 3) uint8 RGB."""
    image = _room(state, t_s)
    for thing in reversed(state.things):
        _blend(image, thing, t_s)
    if state.ambient == "rain":
        _rain(image, state, t_s)
    if state.ambient == "alarm":
        _beacon(image, state, t_s)
    return _expose(image, state, t_s)


def depth(state: WorldState, t_s: float) -> Array:
    """The depth camera: (112, 112) float32 metres, 0 = hole."""
    metres = _empty_depth().copy()
    for left, top, right, bottom, range_m in _clutter(state.place):
        metres[top:bottom, left:right] = range_m
    for thing in reversed(state.things):
        box, cut = _stamp(thing, t_s)
        alpha = _solid(thing, box)[cut]
        view = metres[_target(box, cut)]
        np.copyto(view, np.float32(thing.range_m), where=alpha > 127)
    noise = _noise(state, t_s, 1)
    metres += 0.004 * metres * metres * noise
    metres[_noise(state, t_s, 2) > 2.6] = 0.0
    return metres


def thermal(state: WorldState, t_s: float) -> Array:
    """The thermal camera: (112, 112) float32 kelvin; noise 0.15 K, its zero drifts by 1 K."""
    draw = rng("warmth", state.place)
    air_k = draw.uniform(292.0, 297.0) - (10.0 if state.light == "night" else 0.0)
    slope = draw.uniform(-1.0, 1.0)
    kelvin = np.float32(air_k) + np.float32(slope) * _gradient()
    for left, top, right, bottom, _ in _clutter(state.place):
        kelvin[top:bottom, left:right] += np.float32(draw.uniform(-1.0, 1.0))
    for thing in reversed(state.things):
        box, cut = _stamp(thing, t_s)
        alpha = _solid(thing, box)[cut]
        heat = _scaled_heat(thing, box)[cut]
        view = kelvin[_target(box, cut)]
        np.copyto(view, np.float32(air_k) + heat, where=alpha > 127)
    kelvin += 0.15 * _noise(state, t_s, 3)
    return kelvin


def _room(state: WorldState, t_s: float) -> Array:
    """Wall above, floor below, seen from the robot's pose."""
    x_m, y_m, heading = state.move.pose_at(t_s)
    image = np.empty((CAMERA_PX, CAMERA_PX, 3), np.uint8)
    jolt = _jolt_px(state, t_s)
    panorama = skins.wall(state.wall_skin)
    first = (heading * FOCAL_PX - _CENTRE) % panorama.shape[1]
    shift = np.array([[1, 0, first], [0, 1, 4 - jolt]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (CAMERA_PX, _FOOT_ROW)
    cv2.warpAffine(panorama, shift, size, image[:_FOOT_ROW], flags, cv2.BORDER_WRAP)
    cv2.warpPerspective(
        skins.floor(state.floor, state.floor_skin),
        _floor_map(x_m, y_m, heading, jolt),
        (CAMERA_PX, CAMERA_PX - _FOOT_ROW),
        image[_FOOT_ROW:],
        flags,
        cv2.BORDER_WRAP,
    )
    return image


def _floor_map(x_m: float, y_m: float, heading: float, jolt: float) -> Array:
    """Homography from a pixel of the floor's part of the picture to the floor's skin."""
    scale = skins.FLOOR_PX / skins.FLOOR_M
    x_m, y_m = x_m % skins.FLOOR_M, y_m % skins.FLOOR_M
    reach, height = FOCAL_PX * CAMERA_HEIGHT_M, CAMERA_HEIGHT_M
    sine, cosine = math.sin(heading), math.cos(heading)
    drop = _FOOT_ROW - HORIZON_ROW + jolt
    # With w = row - horizon: distance ahead = reach / w, sideways = height (column - centre) / w.
    across = [height * cosine, x_m, reach * sine - height * cosine * _CENTRE + x_m * drop]
    along = [-height * sine, y_m, reach * cosine + height * sine * _CENTRE + y_m * drop]
    return np.array(
        [[scale * value for value in across], [scale * value for value in along], [0, 1, drop]]
    )


def _jolt_px(state: WorldState, t_s: float) -> float:
    """Vertical shake of the picture while moving, by floor: tiles least, gravel most."""
    if state.motion == "still":
        return 0.0
    size = {"carpet": 0.5, "tiles": 0.8, "gravel": 1.8}[state.floor]
    phase = state.body % 628 / 100
    return size * (math.sin(2 * math.pi * 7.3 * t_s + phase) + math.sin(2 * math.pi * 4.1 * t_s))


Box = tuple[int, int, int]
"""Left and top corner and side, in pixels of the camera that it is drawn for."""


def _stamp(thing: Thing, t_s: float) -> tuple[Box, tuple[slice, slice]]:
    """Where an object stands in the small cameras, and which part of it is in the picture."""
    left, top, side = _corner(thing, t_s, FIELD_PX / CAMERA_PX)
    rows = slice(max(0, -top), min(side, FIELD_PX - top))
    columns = slice(max(0, -left), min(side, FIELD_PX - left))
    return (left, top, side), (rows, columns)


def _target(box: Box, cut: tuple[slice, slice]) -> tuple[slice, slice]:
    left, top, _ = box
    rows, columns = cut
    return (
        slice(rows.start + top, rows.stop + top),
        slice(columns.start + left, columns.stop + left),
    )


def _corner(thing: Thing, t_s: float, scale: float) -> Box:
    """An object's square: standing on the floor (or hovering), swaying a little by itself."""
    side = FOCAL_PX * OBJECT_M / thing.range_m
    foot = HORIZON_ROW + FOCAL_PX * CAMERA_HEIGHT_M / thing.range_m
    phase = thing.key % 6283 / 1000
    sway = 0.03 * side * math.sin(2 * math.pi * 0.4 * t_s + phase)
    lift = side * (0.12 + 0.04 * math.sin(2 * math.pi * 0.6 * t_s + phase))
    hover = lift if thing.name in ("bird", "drone") else 0.0
    left = thing.bearing * CAMERA_PX - side / 2 + sway
    return round(scale * left), round(scale * (foot - side - hover)), round(scale * side)


@kept(live=8)
def _posed(name: str, skin: int, key: int, side: int) -> tuple[Array, Array]:
    """A sprite at its size and pose: rgba uint8, heat float32 (kelvin above ambient)."""
    drawing = sprite(name, skin)
    draw = rng("pose", key)
    angle, mirrored = draw.uniform(-7, 7), draw.random() < 0.5
    warmth = draw.uniform(0.85, 1.15)
    size = drawing.heat.shape[0]
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), angle, side / size)
    turn[:, 2] += side / 2 - size / 2
    if mirrored:
        turn = np.vstack([turn, [0, 0, 1]])
        turn = (np.array([[-1, 0, side - 1], [0, 1, 0], [0, 0, 1.0]]) @ turn)[:2]
    rgba = cv2.warpAffine(_soft(drawing.rgba, side), turn, (side, side))
    heat = cv2.warpAffine(_soft(drawing.heat, side), turn, (side, side))
    return rgba, np.float32(warmth) * heat


def _soft(layer: Array, side: int) -> Array:
    """Blurred as far as shrinking to ``side`` needs, against aliasing."""
    ratio = layer.shape[0] / side
    return cv2.blur(layer, (round(ratio), round(ratio))) if ratio >= 1.5 else layer


def _blend(image: Array, thing: Thing, t_s: float) -> None:
    left, top, side = _corner(thing, t_s, 1.0)
    rgba, _ = _posed(thing.name, thing.skin, thing.key, side)
    rows = slice(max(0, -top), min(side, CAMERA_PX - top))
    columns = slice(max(0, -left), min(side, CAMERA_PX - left))
    part = rgba[rows, columns]
    view = image[_target((left, top, side), (rows, columns))]
    alpha = cv2.merge([part[:, :, 3]] * 3)
    over = cv2.multiply(part[:, :, :3], alpha, scale=1 / 255)
    under = cv2.multiply(view, cv2.bitwise_not(alpha), scale=1 / 255)
    cv2.add(over, under, dst=view)


def _solid(thing: Thing, box: Box) -> Array:
    return _posed(thing.name, thing.skin, thing.key, box[2])[0][:, :, 3]


def _scaled_heat(thing: Thing, box: Box) -> Array:
    return _posed(thing.name, thing.skin, thing.key, box[2])[1]


def _rain(image: Array, state: WorldState, t_s: float) -> None:
    """Slanted bright streaks, new in each frame, and a duller picture."""
    cv2.convertScaleAbs(image, image, 0.8, 18)
    draw = rng("rain", state.body, round(t_s * 1000))
    starts = draw.integers(-20, CAMERA_PX, (34, 2))
    lengths = draw.integers(14, 30, 34)
    for (x, y), length in zip(starts.tolist(), lengths.tolist(), strict=True):
        cv2.line(image, (x, y), (x + length // 4, y + length), (215, 225, 240), 1, cv2.LINE_AA)


def _beacon(image: Array, state: WorldState, t_s: float) -> None:
    """A red lamp at the top edge that pulses twice a second and never goes out."""
    glow = 0.75 + 0.25 * math.sin(2 * math.pi * 2.0 * t_s + state.body % 628 / 100)
    column = 30 + state.place % 164
    cv2.add(image, (round(55 * glow), 0.0, 0.0, 0.0), dst=image)
    cv2.circle(image, (column, 12), 26, (round(150 + 60 * glow), 20, 20), -1, cv2.LINE_AA)
    cv2.circle(
        image, (column, 12), 14, (255, round(150 * glow), round(120 * glow)), -1, cv2.LINE_AA
    )


def _expose(image: Array, state: WorldState, t_s: float) -> Array:
    """Light and sensor noise: by night darker, bluer and noisier."""
    draw = rng("exposure", state.place)
    gain, noise = draw.uniform(0.85, 1.1), 3.0
    tint = (1.0, 1.0, 1.0)
    if state.light == "night":
        gain, noise, tint = draw.uniform(0.38, 0.5), 5.0, (0.85, 0.95, 1.25)
    table = np.clip(np.arange(256)[:, None] * (gain * np.array(tint)), 0, 255).astype(np.uint8)
    lit = cv2.LUT(image, table.reshape(256, 1, 3))
    y, x = rng("grain", state.body, round(t_s * 1000)).integers(0, 288, 2)
    grain = skins.camera_noise(noise)[y : y + CAMERA_PX, x : x + CAMERA_PX]
    noisy: Array = cv2.add(lit, grain, dtype=cv2.CV_8U)
    return noisy


@lru_cache(maxsize=1)
def _empty_depth() -> Array:
    """Floor and wall without anything on them: (112, 112) float32 m."""
    rows = 2.0 * np.arange(FIELD_PX) + 0.5 - HORIZON_ROW
    with np.errstate(divide="ignore"):
        ahead = FOCAL_PX * CAMERA_HEIGHT_M / rows
    ahead[(rows <= 0) | (ahead > WALL_M)] = WALL_M
    return np.repeat(ahead[:, None], FIELD_PX, axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def _gradient() -> Array:
    return np.repeat(np.linspace(-1, 1, FIELD_PX, dtype=np.float32)[:, None], FIELD_PX, axis=1)


@lru_cache(maxsize=256)
def _clutter(place: int) -> tuple[tuple[int, int, int, int, float], ...]:
    """Up to three silent boxes behind the objects, seen by the small cameras alone: left, top,
    right, bottom (pixels), range (m)."""
    draw = rng("clutter", place)
    boxes = []
    for _ in range(int(draw.integers(0, 4))):
        range_m = float(draw.uniform(3.0, 4.6))
        foot = (HORIZON_ROW + FOCAL_PX * CAMERA_HEIGHT_M / range_m) / 2
        width, height = draw.uniform(0.3, 0.9, 2) * FOCAL_PX / range_m / 2
        left = draw.uniform(0, FIELD_PX - width)
        boxes.append((int(left), int(foot - height), int(left + width), int(foot), range_m))
    return tuple(boxes)


def _noise(state: WorldState, t_s: float, salt: int) -> Array:
    y, x = rng("field", salt, state.body, round(t_s * 1000)).integers(0, 144, 2)
    return skins.field_noise()[y : y + FIELD_PX, x : x + FIELD_PX]
