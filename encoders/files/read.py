"""Files -> arrays, one function per kind, for `embed` and `bind` alike.

What the numbers of a file may mean is said in `bindstream` (depth, thermal, imu, sound, picture),
for files, drivers and `push` in the same words. Each function refuses what it cannot read, and
what cannot be, with one InvalidInput that names the file. Heavy readers (Pillow, cv2) are
imported where they are used: words alone need none of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bindstream import depth, picture, thermal
from bindstream.errors import InvalidInput
from bindstream.types import Array
from encoders.files import advice as words
from encoders.files.decoding import decoding, is_npy, npy
from encoders.files.imu import read_imu as read_imu
from encoders.files.radiometric import kelvin_of
from encoders.files.sound import read_audio as read_audio
from encoders.files.video import read_video as read_video
from encoders.files.video import video_length as video_length

_WIDE, _HIGH = 256, 257
"""TIFF's own numbers of the tags that hold a picture's size."""
_MEASURES = "measures (a .npy, a 16-bit picture or a float TIFF)"


def read_image(path: Path) -> Array:
    """Any picture -> uint8 (H, W, 3) RGB; of 16 bits the upper 8, as the camera driver does.

    Orientation tags are not applied, as in the reference.
    """
    with decoding(path, "a picture"):
        pixels = picture.eight_bits(_one(path))
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        return np.ascontiguousarray(pixels)


def read_depth(
    path: Path,
    unit_m: float | None = None,
    invalid: int | None = depth.INVALID,
    advice: words.Advice = words.EMBED,
) -> Array:
    """``.npy``, 16-bit picture or float TIFF -> float32 (H, W) metres, 0 = hole.

    ``unit_m``: metres per step; None: 0.001 for whole numbers, 1 for floats. ``invalid``: the
    count that means a hole.
    """
    with decoding(path, _MEASURES):
        frame = npy(path) if is_npy(path) else _one(path)
        metres = depth.metres(frame, unit_m, invalid)
        if doubt := depth.doubt(metres):
            right = doubt.scale and depth.applied(frame, unit_m) * doubt.scale
            raise words.refusal(doubt, advice, "scale_m" if right else "", right)
        return metres


def read_thermal(
    path: Path,
    unit_k: float | None = None,
    offset_k: float = 0.0,
    rows: thermal.Rows | None = None,
    advice: words.Advice = words.EMBED,
) -> Array:
    """``.npy``, 16-bit picture or float TIFF, or FLIR's radiometric JPEG -> float32 (H, W) kelvin;
    or a grey 8-bit picture as the camera shows it (0..255 taken as equal steps).

    ``unit_k``: kelvin per step; None: 0.01 for whole numbers, 1 for floats. ``offset_k`` is added.
    ``rows``: the lines that are picture, the rest is telemetry.
    """
    with decoding(path, _MEASURES):
        if (frame := kelvin_of(path)) is not None:
            unit_k, offset_k = None, 0.0  # it says itself what its counts are
        else:
            frame = npy(path) if is_npy(path) else _one(path)
        if frame.dtype == np.uint8:
            return thermal.cropped(_as_shown(frame), rows)
        kelvin = thermal.cropped(thermal.kelvin(frame, unit_k, offset_k), rows)
        if doubt := thermal.telemetry(kelvin.shape, rows):
            raise words.refusal(doubt, advice, "rows")
        if doubt := thermal.doubt(kelvin, counted=frame.dtype.kind != "f"):
            setting = "rows" if "telemetry" in doubt.likely else ""
            right = float("nan")
            if doubt.unit == "Fahrenheit":
                raise words.refusal_of_two(
                    doubt, advice, {"kelvin_scale": doubt.scale, "kelvin_offset": doubt.offset}
                )
            if doubt.unit == "Celsius":
                setting, right = "kelvin_offset", offset_k + doubt.offset
            elif doubt.scale:
                setting, right = "kelvin_scale", thermal.applied(frame, unit_k) * doubt.scale
            raise words.refusal(doubt, advice, setting, right)
        return kelvin


def _as_shown(pixels: Array) -> Array:
    if pixels.ndim == 3 and pixels.shape[2] == 3 and picture.is_grey(pixels):
        pixels = pixels[:, :, 1]
    if pixels.ndim != 2 or not pixels.size:
        kind = f"{pixels.dtype} {pixels.shape}"
        raise InvalidInput(
            f"wants kelvin, or the grey picture of a thermal camera, got {kind}: false colours are"
            " no temperatures; export its radiometric data as 16-bit or float TIFF, or .npy"
        )
    return pixels.astype(np.float32)


def _one(path: Path) -> Array:
    """A picture's numbers; a file that holds several is not one of them."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            # MPO: a phone's JPEG, with its map of brightness or a second view behind it.
            count = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
    except UnidentifiedImageError:  # OpenCV may know it
        count = 1
    if count > 1:
        raise InvalidInput(f"holds {count} pictures: save each to a file of its own")
    return _stored(path)


def _stored(path: Path) -> Array:
    """A picture's numbers: uint8 (H, W) or (H, W, 3) RGB, or what more than 8 bits hold."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            picture.check_size(*file.size)
            if file.mode.startswith(("I", "F")):
                return np.array(file)
            return np.array(file.convert("L" if file.mode in ("1", "L") else "RGB"))
    except UnidentifiedImageError:
        pixels = _tiff_by_opencv(path)
        if pixels is None:
            raise
        return pixels


def _tiff_by_opencv(path: Path) -> Array | None:
    """TIFF that Pillow does not know, as of three 16-bit colours. (Nothing else: over damaged PNG
    OpenCV was seen to spend a minute.)"""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    from encoders.files.video import quiet_cv2

    with path.open("rb") as file:
        head = file.read(8)
        if head[:4] not in (b"II*\0", b"MM\0*"):
            return None
        directory = ImageFileDirectory_v2(head)
        file.seek(directory.next)
        directory.load(file)
    picture.check_size(directory[_WIDE], directory[_HIGH])
    cv2 = quiet_cv2()
    how = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels: Array | None = cv2.imread(str(path), how)
    if pixels is None or pixels.ndim == 2:
        return pixels
    return pixels[:, :, 2::-1] if pixels.shape[2] in (3, 4) else pixels
