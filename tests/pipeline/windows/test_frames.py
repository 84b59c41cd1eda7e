"""Crop and resize against the reference's way, written out here from its documentation."""

from __future__ import annotations

import math
import resource
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from bindstream.errors import InvalidInput
from pipeline.windows.frames import single_image, stack_frame

SIDE = 224
SIZES = [
    (720, 1280),
    (480, 640),
    (1280, 720),
    (333, 517),
    (517, 333),
    (225, 224),
    (224, 224),
    (100, 121),
    (1, 1),
    (9, 100),
]


def _scene(height: int, width: int) -> Any:
    """A picture with edges, slopes and noise."""
    rng = np.random.default_rng(height * 10_000 + width)
    y, x = np.mgrid[:height, :width]
    slopes = np.stack([x * 255 / width, y * 255 / height, (x + y) % 256], axis=-1)
    noise = rng.integers(-40, 40, (height, width, 3))
    return np.clip(slopes + noise, 0, 255).astype(np.uint8)


def _bilinear(frame: Any, rows: int, columns: int) -> Any:
    """Plain bilinear, sample centres at (i + 0.5) * in / out - 0.5: align_corners=False."""
    picture = frame.astype(np.float64)
    for axis, size in ((0, rows), (1, columns)):
        have = picture.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * have / size - 0.5, 0, have - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, have - 1)
        shape = [1, 1, 1]
        shape[axis] = size
        part = (at - low).reshape(shape)
        picture = picture.take(low, axis) * (1 - part) + picture.take(high, axis) * part
    return picture


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_of_a_stack_equals_scaling_all_then_cropping(size: tuple[int, int]) -> None:
    """Breaks if the filter, the rounding of the long side or the crop's offset differ."""
    height, width = size
    frame = _scene(height, width)
    rows = SIDE if height <= width else math.floor(height / width * SIDE)
    columns = SIDE if width <= height else math.floor(width / height * SIDE)
    top, left = math.ceil((rows - SIDE) / 2), math.ceil((columns - SIDE) / 2)
    wanted = _bilinear(frame, rows, columns)[top : top + SIDE, left : left + SIDE]
    got = stack_frame(frame, SIDE)
    assert got.shape == (SIDE, SIDE, 3)
    assert got.dtype == np.uint8
    assert np.abs(got - wanted).max() <= 1.0


@pytest.mark.parametrize("size", SIZES)
def test_a_single_image_equals_scaling_all_then_cropping(size: tuple[int, int]) -> None:
    """Breaks if the part that is scaled is not, to a fraction of a pixel, what the crop keeps."""
    height, width = size
    frame = _scene(height, width)
    short = min(size)
    rows, columns = int(SIDE * height / short), int(SIDE * width / short)
    top, left = round((rows - SIDE) / 2), round((columns - SIDE) / 2)
    whole = Image.fromarray(frame).resize((columns, rows), Image.Resampling.BICUBIC)
    wanted = np.asarray(whole)[top : top + SIDE, left : left + SIDE].astype(int)
    got = single_image(frame, SIDE)
    assert got.shape == (SIDE, SIDE, 3)
    assert np.abs(got - wanted).max() <= (1 if short >= SIDE else 2)  # enlarging, steps add up
    assert abs((got - wanted).mean()) < 0.1


def test_video_and_image_are_different_filters() -> None:
    """Breaks if one path is quietly used for both: fine stripes alias in video alone."""
    stripes = np.zeros((896, 896, 3), np.uint8)
    stripes[::2] = 255
    assert single_image(stripes, SIDE).std() < 3
    assert np.ptp(stack_frame(stripes, SIDE)[:, 0, 0].astype(int)) in (0, 255, 1)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(bad: Any) -> None:
    """Breaks if a grey, transparent or empty frame fails deep in a library."""
    for resize in (stack_frame, single_image):
        with pytest.raises(InvalidInput, match=r"\(H, W, 3\) uint8 RGB"):
            resize(bad, SIDE)


@pytest.mark.parametrize("shape", [(1, 5000), (5001, 1), (3, 4001), (2, 90_000), (40, 2001)])
def test_a_very_long_frame_is_cropped_before_it_is_scaled(shape: tuple[int, int]) -> None:
    """Breaks if 1 x 5000 pixels take 865 MB and 12 s, or another part of them is kept."""
    rng = np.random.default_rng(3)
    frame = rng.integers(0, 256, (*shape, 3), np.uint8)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    got = stack_frame(frame, SIDE)
    assert got.shape == (224, 224, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000
    if max(shape) * 224 // min(shape) < 30_000:  # what OpenCV can scale whole
        short = min(shape)
        size = [224 if n == short else math.floor(n / short * 224) for n in shape]
        whole = cv2.resize(frame, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        top, left = (math.ceil((n - 224) / 2) for n in size)
        wanted = whole[top : top + 224, left : left + 224]
        assert np.abs(got.astype(int) - wanted).mean() < 8  # 85 between any two
