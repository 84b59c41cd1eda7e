"""Crop and resize of the frames chosen for a window, as its encoder's format says.

The crops follow the reference (facebookresearch/ImageBind, ``data.py``), which scales a stack of
frames by plain bilinear interpolation and a single image by Pillow's antialiased bicubic, and keeps
the middle square of the short side. Normalisation is the encoder's matter; here all stays uint8,
within 1/255 of the reference.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bindstream.errors import InvalidInput
from bindstream.formats import Frames, Map
from bindstream.types import Array, DepthMeta, Meta

LONGEST = 16
"""Times its short side, a longer frame is cropped before it is scaled."""

Frame = NDArray[np.uint8]
_CV2 = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR}


def fitted(frame: Frame, form: Frames) -> Frame:
    """One picture (H, W, 3) uint8 -> as the format wants it. Raises InvalidInput for another."""
    side = form.size_px
    if side is None:
        _checked(frame)
        return np.ascontiguousarray(frame)
    if form.rule == "crop" and form.filter == "bicubic":
        return single_image(frame, side)
    if form.rule == "crop":
        return stack_frame(frame, side, _CV2[form.filter])
    _checked(frame)
    if form.filter == "bicubic":
        return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC))
    return _resized(frame, side, side, _CV2[form.filter])


def fitted_map(data: Array, meta: Meta, form: Map) -> tuple[Array, Meta]:
    """One frame of depth or heat (H, W) -> float32 as the format wants it, and what is known of
    it: scaled, it has another focal length in pixels."""
    frame = np.asarray(data, np.float32)
    side = form.size_px
    if side is None:
        return frame, meta
    height, width = frame.shape
    if form.rule == "crop":
        scale = side / min(height, width)
        frame = _middle_square(frame, side, _CV2[form.filter])
    else:
        scale = side / width
        frame = _resized(frame, side, side, _CV2[form.filter])
    if isinstance(meta, DepthMeta):
        meta = DepthMeta(meta.fx_px * scale, meta.baseline_m)
    return frame, meta


def stack_frame(frame: Frame, side: int, interpolation: int = cv2.INTER_LINEAR) -> Frame:
    """One frame of a stack: (H, W, 3) uint8 -> (side, side, 3) uint8, bilinear, no antialias.

    ``cv2.INTER_LINEAR`` samples where ``interpolate(align_corners=False)`` does. It costs by
    the pixel of its output (0.2 ms at any camera size), so scaling all and then cropping beats
    warping the crop alone, which would be exact to the same 1/255. Of a frame much longer than
    wide (1 x 5000 would become 5000 times as long as its side) the middle is cropped first. Raises
    InvalidInput for any other shape or dtype.
    """
    _checked(frame)
    return _middle_square(frame, side, interpolation)


def single_image(frame: Frame, side: int) -> Frame:
    """One still image: (H, W, 3) uint8 -> (side, side, 3) uint8, antialiased bicubic.

    Only the part that the crop keeps is scaled (``box`` in source pixels, where the offsets
    need not be whole), first across, then down: left to itself Pillow 13 goes whichever way
    is cheaper, and at hard edges that is 10/255 of difference. Raises InvalidInput for any
    other shape or dtype.
    """
    height, width = _checked(frame)
    short = min(height, width)
    rows, columns = side * height // short, side * width // short
    top, left = round((rows - side) / 2), round((columns - side) / 2)
    y, x = height / rows, width / columns  # source pixels per pixel
    reach = 2 * max(y, 1.0) + 1  # of the filter, in source rows
    first = max(0, math.floor(top * y - reach))
    last = min(height, math.ceil((top + side) * y + reach))
    across = (left * x, first, (left + side) * x, last)
    down = (0, top * y - first, side, min((top + side) * y, height) - first)
    image = Image.fromarray(frame)
    image = image.resize((side, last - first), Image.Resampling.BICUBIC, box=across)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=down))


def _middle_square(frame: Array, side: int, interpolation: int) -> Array:
    """The short side scaled to ``side``, and the middle of the long one kept."""
    frame = _middle(frame, *frame.shape[:2])
    height, width = frame.shape[:2]
    short = min(height, width)
    rows = side if height == short else math.floor(height / width * side)
    columns = side if width == short else math.floor(width / height * side)
    frame = _resized(frame, rows, columns, interpolation)
    top, left = math.ceil((rows - side) / 2), math.ceil((columns - side) / 2)
    return np.ascontiguousarray(frame[top : top + side, left : left + side])


def _resized(frame: Array, rows: int, columns: int, interpolation: int) -> Array:
    if frame.shape[:2] == (rows, columns):
        return np.ascontiguousarray(frame)
    return np.asarray(cv2.resize(frame, (columns, rows), interpolation=interpolation))


def _middle(frame: Array, height: int, width: int) -> Array:
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
