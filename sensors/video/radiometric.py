"""FLIR's radiometric JPEGs among picture files: kelvin from the counts beneath the colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bindstream import flir
from bindstream.types import Array
from sensors.video.opencv import cv2


def kelvin_of(path: Path) -> Array | None:
    """(H, W) float32 kelvin; None where a file is none of FLIR's, or cannot be read.

    Raises InvalidInput for one that is damaged.
    """
    try:
        with path.open("rb") as file:
            if not file.read(4).startswith((b"\xff\xd8", *flir.HEADS)):
                return None
        data = path.read_bytes()
    except OSError:
        return None
    found = flir.radiometric(data, _png)
    return found.kelvin() if found else None


def _png(stored: bytes) -> Array | None:
    try:
        pixels: Array | None = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return pixels
