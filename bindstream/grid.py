"""What a frame of measures may be: (H, W) counts of 16 bits and more, or floats. Pure.

A picture of 8 bits or of colours holds no measures: it is refused here for files and devices
alike, because the libraries turn 16 bits into 8 without a word.
"""

from __future__ import annotations

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array


def measures(array: Array) -> Array:
    """(H, W), (H, W, 1) or (1, H, W) of integers or floats, any byte order -> (H, W), native.

    Integers keep their type (at least 16 bits), floats become float32. Raises InvalidInput, saying
    what was wanted and what came.
    """
    came = f"{array.dtype} {array.shape}"
    grid = one_channel(array)
    if grid.dtype.kind in "biu" and grid.dtype.itemsize == 1:
        raise InvalidInput(
            f"wants 16 bits per pixel or floats, got {came}: a coloured or 8-bit picture holds no"
            " measures"
        )
    if grid.ndim != 2 or not grid.size or grid.dtype.kind not in "fiu":
        raise InvalidInput(f"wants one value per pixel, got {came}")
    if grid.dtype.kind == "f":
        return _float32(grid)
    native: Array = grid.astype(grid.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(native)


def one_channel(array: Array) -> Array:
    """Without an axis of one channel, first or last."""
    if array.ndim == 3 and array.shape[2] == 1:
        return array[:, :, 0]
    return array.reshape(array.shape[1:]) if array.ndim == 3 and array.shape[0] == 1 else array


def _float32(grid: Array) -> Array:
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite: no measure
        narrow: Array = np.ascontiguousarray(grid, dtype=np.float32)
    return narrow
