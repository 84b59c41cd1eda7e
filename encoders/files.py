"""Files -> arrays, one function per kind. Each refuses what it cannot read with one clear error.

Heavy readers (Pillow, cv2) are imported where they are used: words alone need none of them.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array

_PCM = {1: "u1", 2: "<i2", 4: "<i4"}
_IMU_COLUMNS = 6


def read_image(path: Path) -> Array:
    """Any picture that Pillow reads -> uint8 (H, W, 3) RGB. Orientation tags are not applied, as
    in the reference."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{path}: not a picture that can be read ({error})") from error


def read_video(path: Path, wanted: list[int]) -> Array:
    """Frames of a video by number -> uint8 (len(wanted), H, W, 3) RGB."""
    numbers = set(wanted)
    frames = {n: frame for n, frame in _decoded(path, numbers) if frame is not None}
    return np.stack([frames[n] for n in wanted])


def video_length(path: Path) -> tuple[int, float]:
    """Number of frames that can be decoded, and frames per second."""
    import cv2

    count = sum(1 for _ in _decoded(path, set()))
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    if not count or not fps > 0:
        raise InvalidInput(f"{path}: not a video that can be read: {count} frames, {fps} per s")
    return count, fps


def _decoded(path: Path, wanted: set[int]) -> Iterator[tuple[int, Array | None]]:
    """(number, frame) of every frame, pixels only of those wanted; containers lie about counts."""
    import cv2

    if not path.is_file():
        raise InvalidInput(f"{path}: no such file")
    capture = cv2.VideoCapture(str(path))
    try:
        for n in itertools.takewhile(lambda _: capture.grab(), itertools.count()):
            yield n, capture.retrieve()[1][..., ::-1] if n in wanted else None
    finally:
        capture.release()


def read_audio(path: Path) -> tuple[Array, int]:
    """A sound -> its first channel, float32 (n,) in [-1, 1], and its rate in Hz.

    PCM WAV is read here; anything else by ``ffmpeg``, where it is installed.
    """
    if not path.is_file():
        raise InvalidInput(f"{path}: no such file")
    try:
        with wave.open(str(path)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            content = file.readframes(file.getnframes())
        return _pcm(content, width)[::channels].copy(), rate
    except (wave.Error, EOFError, KeyError):
        return _by_ffmpeg(path), 16_000


def _pcm(content: bytes, width: int) -> Array:
    if width == 3:  # no such integer in numpy: put each in the upper bytes of four
        padded = np.zeros((len(content) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        content, width = padded.tobytes(), 4
    samples: Array = np.frombuffer(content, _PCM[width]).astype(np.float32)
    if width == 1:
        samples -= 128
    return samples / np.float32(2 ** (8 * width - 1))


def _by_ffmpeg(path: Path) -> Array:
    program = shutil.which("ffmpeg")
    if program is None:
        raise InvalidInput(
            f"{path}: not PCM WAV, and ffmpeg, which reads other sounds, is not installed"
        )
    command = [program, "-v", "error", "-i", str(path.absolute()), "-map", "0:a:0"]
    command += ["-af", "pan=mono|c0=c0", "-ar", "16000", "-f", "f32le", "-"]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise InvalidInput(f"{path}: no sound that ffmpeg reads ({''.join(reason[-1:])})")
    return np.frombuffer(done.stdout, "<f4").copy()


def read_depth(path: Path, unit_m: float) -> Array:
    """``.npy`` of metres, or a 16-bit picture times ``unit_m`` -> float32 (H, W), 0 = hole."""
    array = _grid(path)
    return (array * unit_m if array.dtype == np.uint16 else array).astype(np.float32)


def read_thermal(path: Path, unit_k: float) -> Array:
    """``.npy`` of kelvin, a 16-bit picture times ``unit_k``, or an 8-bit one as the camera shows
    it (0..255 taken as equal steps) -> float32 (H, W)."""
    array = _grid(path, grey=True)
    return (array * unit_k if array.dtype == np.uint16 else array).astype(np.float32)


def _grid(path: Path, *, grey: bool = False) -> Array:
    if path.suffix == ".npy":
        array = _npy(path)
    else:
        from PIL import Image

        try:
            with Image.open(path) as picture:
                eight_bit = picture.mode in ("1", "L", "P", "RGB", "RGBA")
                array = np.asarray(picture.convert("L") if grey and eight_bit else picture)
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{path}: not a picture that can be read ({error})") from error
        array = array.astype(np.uint16) if array.dtype == np.int32 else array
        if array.dtype != np.uint16 and not (grey and array.dtype == np.uint8):
            raise InvalidInput(
                f"{path}: wants 16 bits per pixel, got {array.dtype} {array.shape}: a coloured or"
                " 8-bit picture holds no measures"
            )
    if array.ndim != 2 or array.dtype.kind not in "fu" or not array.size:
        raise InvalidInput(f"{path}: wants one value per pixel, got {array.dtype} {array.shape}")
    return array


def read_imu(path: Path) -> Array:
    """``.npy`` or ``.csv`` of six columns (accelerometer m/s2, gyroscope rad/s) -> float32 (6, n).

    A ``.npy`` may lie either way; a ``.csv`` may have one line of names.
    """
    array = _npy(path) if path.suffix == ".npy" else _csv(path)
    if array.ndim == 2 and array.shape[0] != _IMU_COLUMNS:
        array = array.T
    if array.ndim != 2 or array.shape[0] != _IMU_COLUMNS or array.shape[1] < 2:
        raise InvalidInput(f"{path}: wants six columns over time, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInput(f"{path}: holds values that are not finite")
    return array.astype(np.float32)


def _npy(path: Path) -> Array:
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"{path}: not an array that can be read ({error})") from error
    return array


def _csv(path: Path) -> Array:
    try:
        lines = path.read_text().splitlines()
        names = int(bool(lines) and any(c.isalpha() and c not in "eE" for c in lines[0]))
        return np.loadtxt(lines[names:], delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: not numbers between commas ({error})") from error
