"""What a thermal image is: (H, W) float32 kelvin. Pure.

Used by the driver, `push`, `embed` and `bind` alike. Integers are counts of a radiometric camera,
by default hundredths of a kelvin (FLIR TLinear); floats are kelvin already, unless a scale or an
offset is stated. Telemetry, lines of numbers that many cores put above or below the picture, is
no temperature: it is noticed by the size that it makes, and by values that no scene has.
"""

from __future__ import annotations

import numpy as np

from bindstream.doubt import Doubt
from bindstream.errors import InvalidInput
from bindstream.grid import measures
from bindstream.types import Array

SCALE_K = 0.01
COLDEST_K, HOTTEST_K = 150.0, 1500.0
"""What the mean of a scene may be; else the numbers are no temperature, or the scale is wrong."""
CELSIUS_K = 273.15
FAHRENHEIT_FROM = 45.0
"""A scene of so many degrees is warm for Celsius, and usual for Fahrenheit."""
FAHRENHEIT_SCALE, FAHRENHEIT_K = 5 / 9, 459.67 * 5 / 9
_CORES = {80: (60,), 160: (120,), 256: (192,), 320: (240, 256), 336: (256,), 384: (288,),
          640: (480, 512), 1024: (768,), 1280: (1024,)}  # fmt: skip
"""Heights of the thermal cores that are sold, by their width."""
_MOST_TELEMETRY = 4
Rows = tuple[int, int]
"""The rows that are picture: from the first to before the second."""


def kelvin(frame: Array, scale: float | None = None, offset: float = 0.0) -> Array:
    """(H, W) counts or floats -> (H, W) float32 kelvin: ``value * scale + offset``.

    ``scale`` None: 0.01 for integers, 1 for floats. Raises InvalidInput for what holds no measures.
    """
    grid = measures(frame)
    scale = applied(frame, scale)
    if grid.dtype.kind == "f" and scale == 1.0 and not offset:
        return grid
    with np.errstate(over="ignore", invalid="ignore"):
        return grid.astype(np.float32) * np.float32(scale) + np.float32(offset)


def applied(frame: Array, scale: float | None) -> float:
    """The scale that a frame gets where ``scale`` is stated, or not."""
    if scale is not None:
        return scale
    return 1.0 if frame.dtype.kind == "f" else SCALE_K


def cropped(frame: Array, rows: Rows | None) -> Array:
    """The rows that are picture. Raises InvalidInput where a frame does not have them."""
    if rows is None:
        return frame
    if rows[1] > frame.shape[0]:
        raise InvalidInput(f"rows {rows[0]} to {rows[1]} were asked for, got {frame.shape[0]}")
    return frame[rows[0] : rows[1]]


def doubt(kelvin: Array, *, counted: bool = False) -> Doubt | None:
    """Why kelvin cannot be a scene; None where they can. ``counted``: they were counts, of which
    a guess at Celsius would mislead."""
    bad = int((~np.isfinite(kelvin)).sum())
    if bad:
        return Doubt(f"{bad} of {kelvin.size} pixels are not finite", "a hole is no temperature")
    mean_k = float(kelvin.mean(dtype=np.float64))
    if COLDEST_K <= mean_k <= HOTTEST_K:
        return _odd_rows(kelvin)
    what = f"the scene would be {mean_k:.0f} K on average"
    if not counted and mean_k and COLDEST_K - CELSIUS_K <= mean_k < COLDEST_K:
        if mean_k >= FAHRENHEIT_FROM:
            likely = "these seem to be Fahrenheit, or Celsius of something hot (add 273.15)"
            return Doubt(what, likely, "Fahrenheit", FAHRENHEIT_SCALE, FAHRENHEIT_K)
        return Doubt(what, "these seem to be Celsius", "Celsius", 1.0, CELSIUS_K)
    for scale in (0.01, 0.1):
        if COLDEST_K <= mean_k * scale <= HOTTEST_K:
            likely = f"one count seems to be {scale:g} of what it is taken for" if counted else ""
            return Doubt(what, likely or f"these seem to be steps of {scale:g} K", "counts", scale)
    return Doubt(what, "these are no temperatures, or the scale is wrong")


def telemetry(shape: tuple[int, ...], rows: Rows | None = None) -> Doubt | None:
    """Whether frames of this shape hold lines of telemetry: a known core's width, and up to four
    lines more than it has. None where ``rows`` says which lines are picture."""
    height, width = shape[:2]
    for core in _CORES.get(width, ()):
        extra = height - core
        if rows is None and 0 < extra <= _MOST_TELEMETRY:
            what = f"{width}x{height} is a {width}x{core} camera with {extra} lines of telemetry"
            return Doubt(what, f"rows: {core} takes the picture alone")
    return None


def _odd_rows(kelvin: Array) -> Doubt | None:
    """Lines at an edge of which a tenth or more is no temperature, in a frame that else is."""
    edge = min(_MOST_TELEMETRY, kelvin.shape[0] // 4)
    if not edge:
        return None
    cold_or_hot = ((kelvin < COLDEST_K) | (kelvin > HOTTEST_K)).mean(axis=1) >= 0.1
    if cold_or_hot[edge : len(kelvin) - edge].any():
        return None
    head, foot = int(cold_or_hot[:edge].sum()), int(cold_or_hot[-edge:].sum())
    if not head + foot:
        return None
    first, end = head, len(kelvin) - foot
    takes = f"rows: {end}" if not first else f"rows: [{first}, {end}]"
    what = f"{head + foot} lines at the edge are no temperatures"
    return Doubt(what, f"they seem to be telemetry; {takes} takes the picture alone")
