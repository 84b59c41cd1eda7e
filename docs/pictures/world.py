"""Draw the simulated world: ``python docs/pictures/world.py`` writes world_objects.jpg and
world_scenes.jpg beside this file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from bindstream.types import Array  # noqa: E402
from sensors.world import look as world_look  # noqa: E402
from sensors.world import motion as world_motion  # noqa: E402
from sensors.world import sound as world_sound  # noqa: E402
from sensors.world.observations import scene  # noqa: E402
from sensors.world.state import OBJECTS, RANGES_M, WorldState, draw_move, rng  # noqa: E402

CELL = 120
INK = (30, 30, 30)


def main() -> None:
    """Both pictures."""
    for name, picture in (("world_objects", objects()), ("world_scenes", scenes())):
        fine = [cv2.IMWRITE_JPEG_QUALITY, 88]
        cv2.imwrite(str(HERE / f"{name}.jpg"), picture[:, :, ::-1], fine)


def objects() -> Array:
    """Every object through four sensors, in two columns."""
    rows = [_object_row(name, number) for number, name in enumerate(OBJECTS)]
    half = len(rows) // 2
    titles = _titles(("near, day", "mid, day", "far, night", "depth", "thermal", "sound, 2 s"))
    columns = [np.vstack([titles, *rows[:half]]), np.vstack([titles, *rows[half:]])]
    return np.hstack(columns)


def scenes() -> Array:
    """Unseen scenes: both frames, depth, heat, five seconds of gyroscope and accelerometer."""
    titles = _titles(("first frame", "last frame", "depth", "thermal", "imu, 5 s", "sound, 2 s"))
    rows = [np.vstack([titles, *map(_scene_row, range(first, first + 6))]) for first in (0, 6)]
    return np.hstack(rows)


def _object_row(name: str, number: int) -> Array:
    near, mid, far = (_alone(name, distance, number) for distance in RANGES_M)
    cells = [
        world_look.frame(near, 5.0),
        world_look.frame(mid, 5.0),
        world_look.frame(replace(far, light="night"), 5.0),
        _depth(world_look.depth(near, 5.0)),
        _heat(world_look.thermal(near, 5.0)),
        _spectrum(world_sound.samples(near, 16000 * 5, 32000)),
    ]
    return np.hstack([_label([name]), *map(_cell, cells)])


def _alone(name: str, distance: str, number: int) -> WorldState:
    state, _ = scene(number, number, "test")
    floor = ("carpet", "tiles", "gravel")[number % 3]
    nearest, farthest = RANGES_M[distance]
    thing = replace(
        state.things[0],
        name=name,
        distance=distance,
        range_m=(nearest + farthest) / 2,
        bearing=0.5,
    )
    still = draw_move(rng("still"), "still", 0.0, (0.0, 0.0, float(number)))
    plain = replace(state, motion="still", floor=floor, ambient="quiet", light="day", move=still)
    return replace(plain, things=(thing,))


def _scene_row(index: int) -> Array:
    state, t_s = scene(12, index, "test")
    cells = [
        world_look.frame(state, t_s - 0.25),
        world_look.frame(state, t_s - 0.05),
        _depth(world_look.depth(state, t_s)),
        _heat(world_look.thermal(state, t_s)),
        _traces(world_motion.readings(state, round(t_s * 400) - 2000, 2000)),
        _spectrum(world_sound.samples(state, round(t_s * 16000) - 32000, 32000)),
    ]
    truth = state.truth()
    words = [*truth["object"], *(str(truth[k]) for k in truth if k != "object")]
    return np.hstack([_label(words), *map(_cell, cells)])


def _cell(image: Array) -> Array:
    sized = cv2.resize(image, (CELL - 4, CELL - 4), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(sized, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _label(words: list[str]) -> Array:
    image = np.full((CELL, 84, 3), 255, np.uint8)
    for line, word in enumerate(words):
        place = (4, 18 + 16 * line)
        cv2.putText(image, word, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return image


def _titles(words: tuple[str, ...]) -> Array:
    image = np.full((22, 84 + CELL * len(words), 3), 255, np.uint8)
    for column, word in enumerate(words):
        place = (84 + CELL * column + 4, 15)
        cv2.putText(image, word, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return image


def _depth(metres: Array) -> Array:
    near = np.clip(255 * (1 - metres / 5.0), 0, 255).astype(np.uint8)
    near[metres == 0] = 0
    return cv2.applyColorMap(near, cv2.COLORMAP_BONE)[:, :, ::-1]


def _heat(kelvin: Array) -> Array:
    level = np.clip((kelvin - 275) / 65 * 255, 0, 255).astype(np.uint8)
    return cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)[:, :, ::-1]


def _spectrum(audio: Array) -> Array:
    """Time to the right, 0 to 8 kHz upward, 60 dB."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, 512)[::250] * np.hanning(512)
    power = 20 * np.log10(np.abs(np.fft.rfft(frames)).T[::-1] + 1e-4)
    level = np.clip((power - power.max() + 60) / 60 * 255, 0, 255).astype(np.uint8)
    return cv2.applyColorMap(cv2.resize(level, (232, 232)), cv2.COLORMAP_MAGMA)[:, :, ::-1]


def _traces(imu: Array) -> Array:
    """Upward acceleration (top half, 4 m/s2 either way) and yaw rate (bottom, 1 rad/s)."""
    image = np.full((232, 232, 3), 245, np.uint8)
    across = np.linspace(0, 231, imu.shape[1])
    lifts = 58 - (imu[2] - 9.8) * 14
    yaws = 174 - imu[5] * 56
    for trace, ink, middle in ((lifts, (200, 90, 40), 58), (yaws, (40, 90, 200), 174)):
        cv2.line(image, (0, middle), (231, middle), (200, 200, 200), 1)
        points = np.stack([across, np.clip(trace, 0, 231)], axis=1).round().astype(np.int32)
        cv2.polylines(image, [points], False, ink, 1, cv2.LINE_AA)
    return image


if __name__ == "__main__":
    main()
