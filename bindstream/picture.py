"""What a picture is: (H, W, 3) uint8 RGB. Pure; 16 bits become 8 as the camera driver does it."""

from __future__ import annotations

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array

MAX_PIXELS = 100_000_000
"""No camera gives more; a file that claims to is damaged, or made to fill the memory."""


def check_size(width: int, height: int) -> None:
    """Refuse sizes that no camera has. Raises InvalidInput."""
    if width * height > MAX_PIXELS or min(width, height) < 1:
        raise InvalidInput(f"{width}x{height} pixels, wants at most {MAX_PIXELS // 10**6} million")


def eight_bits(pixels: Array) -> Array:
    """Integers of 8 or 16 bits, any shape and byte order -> uint8: of 16 the upper 8.

    Raises InvalidInput for floats and for wider numbers: those are measures, not brightness.
    """
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint8:
        return pixels
    whole = pixels.dtype.kind in "iu"
    if not whole or (pixels.size and not 0 <= int(pixels.min()) <= int(pixels.max()) < 1 << 16):
        raise InvalidInput(
            f"wants 8 or 16 bits per colour, got {pixels.dtype}: such numbers are measures, not a"
            " picture"
        )
    return (pixels.astype(np.uint16) >> 8).astype(np.uint8)


def is_grey(rgb: Array, slack: int = 8) -> bool:
    """Whether (H, W, 3) shows no colour: JPEG may shift a channel by a few steps."""
    wide = rgb.astype(np.int16)
    apart = (wide.max(axis=2) - wide.min(axis=2)) > slack
    return float(apart.mean()) < 0.001
