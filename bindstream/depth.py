"""What a depth image is: (H, W) float32 metres, 0 = hole. Pure.

Used by the driver, `push`, `embed`, `bind` and the encoder alike, so that one file means the same
everywhere. Integers are counts of a camera, by default millimetres (RealSense, OAK-D, Kinect);
floats are metres already, unless a scale is stated. A hole is 0, anything negative, NaN, infinity,
and the ``invalid`` count: 65535 says "nothing" in every 16-bit format that we know.
"""

from __future__ import annotations

import numpy as np

from bindstream.doubt import Doubt
from bindstream.grid import measures
from bindstream.types import Array

SCALE_M = 0.001
INVALID = 65535
NEAREST_M, FARTHEST_M = 0.01, 200.0
"""What the median of a scene may be; else the unit is wrong."""
MOST_CENTIMETRES = 1000.0
"""So many are ten metres: a room's depth in centimetres, or something near in millimetres."""
_LOOKED_AT = 16_384
"""Pixels of which the median is taken: of all 640 x 480 it would take 3 ms a frame."""


def metres(frame: Array, scale_m: float | None = None, invalid: int | None = INVALID) -> Array:
    """(H, W) counts or floats -> (H, W) float32 metres, 0 = hole.

    ``scale_m``: metres per count; None: 0.001 for integers, 1 for floats. ``invalid``: the count
    that means a hole, None for none. Raises InvalidInput for what holds no measures.
    """
    grid = measures(frame)
    known = grid > 0
    if invalid is not None and (scale_m is not None or grid.dtype.kind != "f"):
        known &= grid != invalid
    scale = np.float32(applied(frame, scale_m))
    with np.errstate(over="ignore"):
        return holed(np.where(known, grid, 0).astype(np.float32) * scale)


def applied(frame: Array, scale_m: float | None) -> float:
    """The scale that a frame gets where ``scale_m`` is stated, or not."""
    if scale_m is not None:
        return scale_m
    return 1.0 if frame.dtype.kind == "f" else SCALE_M


def holed(metres: Array) -> Array:
    """Float metres with every hole as 0: NaN, infinite and negative ones too."""
    good = np.isfinite(metres) & (metres >= 0)
    return metres if good.all() else np.where(good, metres, metres.dtype.type(0))


def doubt(metres: Array) -> Doubt | None:
    """Why metres cannot be a scene; None where they can. A frame of holes alone is no doubt.

    The doubt's ``scale`` is one more, to multiply that of ``applied`` by.
    """
    some_m = metres.reshape(-1)[:: max(1, metres.size // _LOOKED_AT)]
    seen_m = some_m[some_m > 0]
    if not seen_m.size:
        return None
    middle_m = float(np.median(seen_m))
    if middle_m > FARTHEST_M:
        what = f"half of the scene lies beyond {middle_m:.0f} m"
        if NEAREST_M <= middle_m / 1000 <= FARTHEST_M:
            likely = "these seem to be millimetres"
            if middle_m < MOST_CENTIMETRES:
                likely += f" (or centimetres: {middle_m / 100:.2g} m, not {middle_m / 1000:.2g})"
            return Doubt(what, likely, "mm", 0.001)
        return Doubt(what, "the length of one count is wrong")
    if middle_m < NEAREST_M:
        what = f"half of the scene lies nearer than {middle_m * 1000:.3g} mm"
        return Doubt(what, "the length of one count is wrong")
    return None
