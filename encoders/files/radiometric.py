"""FLIR's radiometric JPEGs: kelvin from the counts beneath the false colours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from bindstream import flir, picture
from bindstream.types import Array


def kelvin_of(path: Path) -> Array | None:
    """(H, W) float32 kelvin; None where a file is none of FLIR's. Raises InvalidInput."""
    with path.open("rb") as file:
        if not file.read(4).startswith((b"\xff\xd8", *flir.HEADS)):
            return None
    found = flir.radiometric(path.read_bytes(), _png)
    return found.kelvin() if found else None


def _png(stored: bytes) -> Array:
    from PIL import Image

    with Image.open(io.BytesIO(stored), formats=["PNG"]) as file:
        picture.check_size(*file.size)
        return np.array(file) if file.mode.startswith("I") else np.array(file.convert("L"))
