"""How the world's objects look and where they are warm: drawn once, kept as small sprites."""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from bindstream.types import Array
from sensors.world.drawings import kept
from sensors.world.state import rng

SPRITE_PX = 128
_CANVAS_PX = 256
Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """``rgba`` (128, 128, 4) uint8; ``heat`` (128, 128) float32 kelvin above ambient,
    zero outside the object."""

    rgba: Array
    heat: Array


class Pen:
    """Draws shapes in unit coordinates (x right, y down) with a colour and a heat at once."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.draw = draw
        self.rgb = np.zeros((_CANVAS_PX, _CANVAS_PX, 3), np.uint8)
        self.alpha = np.zeros((_CANVAS_PX, _CANVAS_PX), np.uint8)
        self.heat = np.zeros((_CANVAS_PX, _CANVAS_PX), np.float32)

    def hue(self, hue: float, saturation: float = 0.75, value: float = 0.85) -> Colour:
        """That hue (0 to 1) with the skin's own variation."""
        hue = (hue + self.draw.uniform(-0.05, 0.05)) % 1.0
        saturation = float(np.clip(saturation + self.draw.uniform(-0.15, 0.15), 0, 1))
        value = float(np.clip(value + self.draw.uniform(-0.12, 0.12), 0, 1))
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
        return int(255 * red), int(255 * green), int(255 * blue)

    def poly(self, points: Sequence[Point], colour: Colour, heat: float) -> None:
        """A filled polygon."""
        corners = np.array([[self._px(x), self._px(y)] for x, y in points], np.int32)
        self._paint(lambda layer, value: cv2.fillPoly(layer, [corners], value), colour, heat)

    def disc(self, centre: Point, radii: float | Point, colour: Colour, heat: float) -> None:
        """A filled circle, or an ellipse of two radii."""
        across, down = radii if isinstance(radii, tuple) else (radii, radii)
        middle = (self._px(centre[0]), self._px(centre[1]))
        axes = (max(1, self._px(across)), max(1, self._px(down)))
        self._paint(
            lambda layer, value: cv2.ellipse(layer, middle, axes, 0, 0, 360, value, -1),
            colour,
            heat,
        )

    def line(self, start: Point, end: Point, width: float, colour: Colour, heat: float) -> None:
        """A thick stroke with round ends."""
        first = (self._px(start[0]), self._px(start[1]))
        last = (self._px(end[0]), self._px(end[1]))
        thick = max(1, self._px(width))
        self._paint(lambda layer, value: cv2.line(layer, first, last, value, thick), colour, heat)

    def box(self, corner: Point, opposite: Point, colour: Colour, heat: float) -> None:
        """A filled rectangle."""
        (left, top), (right, bottom) = corner, opposite
        self.poly([(left, top), (right, top), (right, bottom), (left, bottom)], colour, heat)

    def sprite(self) -> Sprite:
        """What was drawn, with a dark outline, at sprite size."""
        outline = cv2.dilate(self.alpha, np.ones((7, 7), np.uint8))
        rgba = np.dstack([self.rgb, outline])
        size = (SPRITE_PX, SPRITE_PX)
        return Sprite(
            cv2.resize(rgba, size, interpolation=cv2.INTER_AREA),
            cv2.resize(self.heat, size, interpolation=cv2.INTER_AREA),
        )

    @staticmethod
    def _px(unit: float) -> int:
        return round(unit * _CANVAS_PX)

    def _paint(
        self, stroke: Callable[[Array, object], object], colour: Colour, heat: float
    ) -> None:
        stroke(self.rgb, colour)
        stroke(self.alpha, 255)
        stroke(self.heat, heat)


def _dog(pen: Pen) -> None:
    coat, dark = pen.hue(0.08, 0.65, 0.6), pen.hue(0.07, 0.6, 0.3)
    for x in (0.2, 0.32, 0.6, 0.7):
        pen.box((x, 0.6), (x + 0.08, 0.97), dark, 6)
    pen.line((0.18, 0.5), (0.05, 0.25), 0.07, coat, 5)
    pen.disc((0.46, 0.53), (0.32, 0.16), coat, 10)
    pen.poly([(0.62, 0.5), (0.68, 0.2), (0.86, 0.22), (0.84, 0.5)], coat, 12)
    pen.box((0.8, 0.26), (0.99, 0.42), coat, 15)
    pen.poly([(0.66, 0.22), (0.6, 0.45), (0.72, 0.42)], dark, 8)


def _bird(pen: Pen) -> None:
    body, wing = pen.hue(0.6, 0.7, 0.85), pen.hue(0.62, 0.8, 0.5)
    pen.poly([(0.5, 0.55), (0.02, 0.12), (0.28, 0.62)], wing, 3)
    pen.poly([(0.5, 0.55), (0.98, 0.12), (0.72, 0.62)], wing, 3)
    pen.poly([(0.42, 0.7), (0.3, 0.98), (0.7, 0.98), (0.58, 0.7)], wing, 3)
    pen.disc((0.5, 0.62), (0.13, 0.24), body, 14)
    pen.disc((0.5, 0.36), 0.11, body, 14)
    pen.poly([(0.44, 0.3), (0.56, 0.3), (0.5, 0.12)], pen.hue(0.13, 0.9, 0.95), 2)


def _person(pen: Pen) -> None:
    skin, shirt, legs = pen.hue(0.07, 0.45, 0.85), pen.hue(0.0, 0.7, 0.8), pen.hue(0.63, 0.6, 0.4)
    pen.box((0.37, 0.58), (0.48, 0.99), legs, 5)
    pen.box((0.52, 0.58), (0.63, 0.99), legs, 5)
    pen.line((0.36, 0.34), (0.2, 0.62), 0.08, shirt, 7)
    pen.line((0.64, 0.34), (0.8, 0.62), 0.08, shirt, 7)
    pen.disc((0.2, 0.63), 0.05, skin, 13)
    pen.disc((0.8, 0.63), 0.05, skin, 13)
    pen.box((0.35, 0.28), (0.65, 0.62), shirt, 7)
    pen.disc((0.5, 0.14), 0.13, skin, 16)


def _car(pen: Pen) -> None:
    paint, glass, tyre = (
        pen.hue(0.98, 0.85, 0.85),
        pen.hue(0.55, 0.3, 0.85),
        pen.hue(0.6, 0.1, 0.15),
    )
    pen.poly([(0.22, 0.5), (0.34, 0.26), (0.68, 0.26), (0.8, 0.5)], paint, 4)
    pen.poly([(0.31, 0.48), (0.38, 0.32), (0.49, 0.32), (0.49, 0.48)], glass, 1)
    pen.poly([(0.53, 0.48), (0.53, 0.32), (0.64, 0.32), (0.71, 0.48)], glass, 1)
    pen.box((0.02, 0.48), (0.98, 0.74), paint, 4)
    pen.box((0.72, 0.5), (0.98, 0.7), paint, 45)
    for x in (0.24, 0.76):
        pen.disc((x, 0.75), 0.14, tyre, 20)
        pen.disc((x, 0.75), 0.06, pen.hue(0.6, 0.1, 0.75), 12)


def _drone(pen: Pen) -> None:
    arm, hub, blade = pen.hue(0.5, 0.1, 0.25), pen.hue(0.15, 0.1, 0.9), pen.hue(0.5, 0.1, 0.7)
    for x, y in ((0.15, 0.28), (0.85, 0.28), (0.15, 0.72), (0.85, 0.72)):
        pen.line((0.5, 0.5), (x, y), 0.06, arm, 3)
        pen.disc((x, y), (0.15, 0.1), blade, 1)
        pen.disc((x, y), 0.055, arm, 35)
    pen.disc((0.5, 0.5), (0.15, 0.12), hub, 12)
    pen.disc((0.5, 0.53), 0.05, pen.hue(0.0, 0.9, 0.8), 12)


def _kettle(pen: Pen) -> None:
    steel, grip = pen.hue(0.55, 0.15, 0.8), pen.hue(0.0, 0.1, 0.15)
    for start, end in (
        ((0.3, 0.3), (0.34, 0.06)),
        ((0.34, 0.06), (0.66, 0.06)),
        ((0.66, 0.06), (0.7, 0.3)),
    ):
        pen.line(start, end, 0.06, grip, 12)
    pen.poly([(0.7, 0.6), (0.94, 0.34), (1.0, 0.4), (0.78, 0.8)], steel, 55)
    pen.poly([(0.3, 0.3), (0.7, 0.3), (0.84, 0.92), (0.16, 0.92)], steel, 70)
    pen.box((0.26, 0.27), (0.74, 0.34), pen.hue(0.58, 0.2, 0.6), 60)
    pen.disc((0.5, 0.23), 0.05, grip, 25)


def _clock(pen: Pen) -> None:
    rim, face, hand = pen.hue(0.08, 0.7, 0.4), pen.hue(0.13, 0.08, 0.97), pen.hue(0.6, 0.2, 0.1)
    pen.disc((0.5, 0.5), 0.46, rim, -2)
    pen.disc((0.5, 0.5), 0.37, face, 6)
    for hour in range(12):
        angle = hour * np.pi / 6
        pen.disc((0.5 + 0.31 * np.cos(angle), 0.5 + 0.31 * np.sin(angle)), 0.025, hand, 6)
    angle = pen.draw.uniform(0, 2 * np.pi)
    pen.line((0.5, 0.5), (0.5 + 0.28 * np.cos(angle), 0.5 + 0.28 * np.sin(angle)), 0.04, hand, 6)
    angle += pen.draw.uniform(1.0, 5.0)
    pen.line((0.5, 0.5), (0.5 + 0.18 * np.cos(angle), 0.5 + 0.18 * np.sin(angle)), 0.05, hand, 6)
    pen.disc((0.5, 0.5), 0.07, hand, 18)


def _campfire(pen: Pen) -> None:
    log, outer, inner = pen.hue(0.07, 0.6, 0.3), pen.hue(0.04, 0.95, 0.95), pen.hue(0.14, 0.9, 1.0)
    pen.line((0.12, 0.94), (0.88, 0.8), 0.11, log, 35)
    pen.line((0.12, 0.8), (0.88, 0.94), 0.11, log, 35)
    flame = [(0.18, 0.8), (0.14, 0.5), (0.28, 0.58), (0.32, 0.22), (0.45, 0.4), (0.54, 0.02)]
    flame += [(0.64, 0.36), (0.74, 0.2), (0.76, 0.55), (0.88, 0.46), (0.82, 0.8)]
    pen.poly(flame, outer, 85)
    pen.poly([(0.34, 0.8), (0.38, 0.55), (0.52, 0.34), (0.62, 0.56), (0.66, 0.8)], inner, 110)


def _telephone(pen: Pen) -> None:
    shell, dial = pen.hue(0.33, 0.7, 0.55), pen.hue(0.13, 0.1, 0.95)
    pen.poly([(0.3, 0.4), (0.7, 0.4), (0.96, 0.94), (0.04, 0.94)], shell, 6)
    pen.disc((0.5, 0.68), 0.17, dial, 14)
    pen.disc((0.5, 0.68), 0.06, shell, 14)
    pen.line((0.12, 0.2), (0.88, 0.2), 0.12, shell, 3)
    pen.disc((0.13, 0.29), (0.12, 0.13), shell, 9)
    pen.disc((0.87, 0.29), (0.12, 0.13), shell, 9)
    pen.box((0.36, 0.26), (0.42, 0.42), shell, 3)
    pen.box((0.58, 0.26), (0.64, 0.42), shell, 3)


def _fan(pen: Pen) -> None:
    cage, blade = pen.hue(0.5, 0.2, 0.9), pen.hue(0.5, 0.75, 0.6)
    pen.box((0.47, 0.6), (0.53, 0.95), cage, 2)
    pen.box((0.28, 0.91), (0.72, 0.99), cage, 2)
    pen.disc((0.5, 0.38), 0.37, cage, 1)
    pen.disc((0.5, 0.38), 0.32, pen.hue(0.6, 0.2, 0.3), -4)
    turn = pen.draw.uniform(0, 2)
    for angle in turn + np.arange(3) * 2 * np.pi / 3:
        tip = [
            (0.5 + 0.29 * np.cos(angle + side), 0.38 + 0.29 * np.sin(angle + side))
            for side in (0, 0.8)
        ]
        pen.poly([(0.5, 0.38), *tip], blade, -6)
    pen.disc((0.5, 0.38), 0.08, cage, 28)


def _bell(pen: Pen) -> None:
    brass, dark = pen.hue(0.13, 0.8, 0.85), pen.hue(0.11, 0.8, 0.5)
    pen.disc((0.5, 0.1), 0.08, dark, -7)
    pen.disc((0.5, 0.9), 0.09, dark, -7)
    pen.disc((0.5, 0.34), (0.22, 0.22), brass, -10)
    pen.poly(
        [(0.28, 0.34), (0.72, 0.34), (0.78, 0.65), (0.96, 0.84), (0.04, 0.84), (0.22, 0.65)],
        brass,
        -10,
    )
    pen.box((0.04, 0.78), (0.96, 0.85), dark, -13)


def _guitar(pen: Pen) -> None:
    wood, neck = pen.hue(0.06, 0.85, 0.75), pen.hue(0.05, 0.7, 0.3)
    pen.box((0.46, 0.04), (0.54, 0.6), neck, 15)
    pen.poly([(0.42, 0.0), (0.58, 0.0), (0.56, 0.13), (0.44, 0.13)], neck, 3)
    pen.disc((0.5, 0.58), (0.2, 0.15), wood, 3)
    pen.disc((0.5, 0.8), (0.29, 0.19), wood, 3)
    pen.disc((0.5, 0.66), 0.08, neck, -3)
    pen.box((0.38, 0.84), (0.62, 0.88), neck, 3)


def _train(pen: Pen) -> None:
    boiler, cab, wheel = pen.hue(0.4, 0.7, 0.45), pen.hue(0.38, 0.7, 0.3), pen.hue(0.0, 0.7, 0.45)
    pen.box((0.74, 0.12), (0.84, 0.45), cab, 60)
    pen.poly([(0.68, 0.02), (0.9, 0.02), (0.86, 0.14), (0.72, 0.14)], cab, 75)
    pen.box((0.34, 0.38), (0.92, 0.68), boiler, 40)
    pen.box((0.02, 0.14), (0.38, 0.72), cab, 10)
    pen.box((0.08, 0.22), (0.3, 0.42), pen.hue(0.15, 0.3, 0.95), 6)
    pen.box((0.0, 0.68), (0.98, 0.77), pen.hue(0.0, 0.1, 0.2), 6)
    pen.poly([(0.9, 0.74), (1.0, 0.96), (0.86, 0.96)], wheel, 3)
    for x in (0.15, 0.42, 0.69):
        pen.disc((x, 0.84), 0.12, wheel, 9)
        pen.disc((x, 0.84), 0.04, pen.hue(0.0, 0.1, 0.8), 9)


def _washer(pen: Pen) -> None:
    shell, ring, glass = pen.hue(0.6, 0.04, 0.93), pen.hue(0.6, 0.1, 0.5), pen.hue(0.55, 0.6, 0.45)
    pen.box((0.08, 0.03), (0.92, 0.97), shell, 2)
    pen.box((0.08, 0.03), (0.92, 0.19), ring, 8)
    pen.disc((0.78, 0.11), 0.05, shell, 8)
    pen.box((0.14, 0.07), (0.4, 0.14), pen.hue(0.33, 0.6, 0.7), 8)
    pen.disc((0.5, 0.58), 0.3, ring, 12)
    pen.disc((0.5, 0.58), 0.23, glass, 32)


def _frog(pen: Pen) -> None:
    green, dark = pen.hue(0.27, 0.85, 0.7), pen.hue(0.3, 0.8, 0.4)
    for x in (0.13, 0.87):
        pen.disc((x, 0.78), (0.13, 0.2), dark, -6)
        pen.disc((0.5 + (x - 0.5) * 1.02, 0.95), (0.13, 0.045), dark, -4)
    pen.disc((0.5, 0.7), (0.33, 0.26), green, -8)
    for x in (0.3, 0.7):
        pen.disc((x, 0.36), 0.14, green, -5)
        pen.disc((x, 0.34), 0.085, pen.hue(0.16, 0.5, 0.98), 3)
        pen.disc((x, 0.34), 0.04, (10, 10, 10), 3)
    pen.disc((0.5, 0.5), (0.33, 0.17), green, -8)
    pen.line((0.28, 0.56), (0.72, 0.56), 0.035, dark, -8)


def _fountain(pen: Pen) -> None:
    stone, water = pen.hue(0.09, 0.15, 0.65), pen.hue(0.52, 0.5, 0.98)
    for side in (-1, 1):
        for reach, top in ((0.16, 0.08), (0.3, 0.2)):
            path = [
                (0.5 + side * reach * s, 0.68 - (0.68 - top) * (1 - (2 * s - 0.7) ** 2 / 1.7))
                for s in np.linspace(0, 1, 9)
            ]
            for start, end in itertools.pairwise(path):
                pen.line(start, end, 0.055, water, -12)
    pen.line((0.5, 0.06), (0.5, 0.7), 0.06, water, -12)
    pen.box((0.43, 0.7), (0.57, 0.9), stone, 4)
    pen.poly([(0.1, 0.64), (0.9, 0.64), (0.78, 0.78), (0.22, 0.78)], stone, 4)
    pen.poly([(0.22, 0.9), (0.78, 0.9), (0.86, 0.99), (0.14, 0.99)], stone, 4)


_DRAWINGS: dict[str, Callable[[Pen], None]] = {
    "dog": _dog,
    "bird": _bird,
    "person": _person,
    "car": _car,
    "drone": _drone,
    "kettle": _kettle,
    "clock": _clock,
    "campfire": _campfire,
    "telephone": _telephone,
    "fan": _fan,
    "bell": _bell,
    "guitar": _guitar,
    "train": _train,
    "washer": _washer,
    "frog": _frog,
    "fountain": _fountain,
}


@kept(live=4)
def sprite(name: str, skin: int) -> Sprite:
    """The drawing of an object in one of its skins (colours and small differences)."""
    pen = Pen(rng("sprite", name, skin))
    _DRAWINGS[name](pen)
    return pen.sprite()
