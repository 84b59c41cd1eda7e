"""Crop and resize of the frames chosen for a window, as the reference does it.

ImageBind prepares video and images by different filters (facebookresearch/ImageBind,
``data.py``): a stack of frames is scaled by plain bilinear interpolation, a single image by
Pillow's antialiased bicubic. Both keep the middle 224 x 224 of the short side scaled to 224.
Normalisation is the encoder's matter; here all stays uint8, within 1/255 of the reference.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bindstream.errors import InvalidInput

SIDE = 224
LONGEST = 16
"""Times its short side, a longer frame is cropped before it is scaled."""

Frame = NDArray[np.uint8]


def stack_frame(frame: Frame) -> Frame:
    """One frame of a stack: (H, W, 3) uint8 -> (224, 224, 3) uint8, bilinear, no antialias.

    ``cv2.INTER_LINEAR`` samples where ``interpolate(align_corners=False)`` does. It costs by
    the pixel of its output (0.2 ms at any camera size), so scaling all and then cropping beats
    warping the crop alone, which would be exact to the same 1/255. Of a frame much longer than
    wide (1 x 5000 would become 224 x 1120000) the middle is cropped first. Raises InvalidInput for
    any other shape or dtype.
    """
    frame = _middle(frame, *_checked(frame))
    height, width = frame.shape[:2]
    short = min(height, width)
    rows = SIDE if height == short else math.floor(height / width * SIDE)
    columns = SIDE if width == short else math.floor(width / height * SIDE)
    if (rows, columns) != (height, width):
        frame = cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_LINEAR)
    top, left = math.ceil((rows - SIDE) / 2), math.ceil((columns - SIDE) / 2)
    return np.ascontiguousarray(frame[top : top + SIDE, left : left + SIDE])


def single_image(frame: Frame) -> Frame:
    """One still image: (H, W, 3) uint8 -> (224, 224, 3) uint8, antialiased bicubic.

    Only the part that the crop keeps is scaled (``box`` in source pixels, where the offsets
    need not be whole), first across, then down: left to itself Pillow 13 goes whichever way
    is cheaper, and at hard edges that is 10/255 of difference. Raises InvalidInput for any
    other shape or dtype.
    """
    height, width = _checked(frame)
    short = min(height, width)
    rows, columns = SIDE * height // short, SIDE * width // short
    top, left = round((rows - SIDE) / 2), round((columns - SIDE) / 2)
    y, x = height / rows, width / columns  # source pixels per pixel
    reach = 2 * max(y, 1.0) + 1  # of the filter, in source rows
    first = max(0, math.floor(top * y - reach))
    last = min(height, math.ceil((top + SIDE) * y + reach))
    across = (left * x, first, (left + SIDE) * x, last)
    down = (0, top * y - first, SIDE, min((top + SIDE) * y, height) - first)
    image = Image.fromarray(frame)
    image = image.resize((SIDE, last - first), Image.Resampling.BICUBIC, box=across)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=down))


def _middle(frame: Frame, height: int, width: int) -> Frame:
    """The middle of a very long frame, of its length's own parity: the crop stays where it was."""
    short = min(height, width)
    for axis, length in enumerate((height, width)):
        if length > LONGEST * short:
            kept = LONGEST * short + (length - LONGEST * short) % 2
            start = (length - kept) // 2
            frame = frame.take(range(start, start + kept), axis)
    return frame


def _checked(frame: Frame) -> tuple[int, int]:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise InvalidInput(f"frame must be (H, W, 3) uint8 RGB, got {frame.shape} {frame.dtype}")
    return frame.shape[0], frame.shape[1]
