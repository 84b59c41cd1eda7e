"""Files of every kind, damaged in a few thousand ways: the project's error, or something sane."""

from __future__ import annotations

import random
import struct
import subprocess
import wave
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bindstream.errors import InvalidInput
from bindstream.imu import G
from encoders.files import read as files
from encoders.files.imu import read_motion
from encoders.files.video import timeline

RNG = np.random.default_rng(6)
MUTATIONS = 250
"""Of each good file; a video, and a sound that ffmpeg is started for, is tried less often."""
SLOW_MUTATIONS = 25


def _sound(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(RNG.integers(-9000, 9000, 1600, dtype=np.int16).tobytes())


def _video(path: Path) -> None:
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10.0, (64, 48))
    for _ in range(8):
        writer.write(RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()


def _picture(mode: str, **how: object) -> Callable[[Path], None]:
    pixels = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return lambda path: Image.fromarray(pixels).convert(mode).save(path, **how)


def _array(array: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.save(path, array)


def _counts(path: Path) -> None:
    assert cv2.imwrite(str(path), RNG.integers(28000, 31000, (24, 32)).astype(np.uint16))


def _colours(path: Path) -> None:
    assert cv2.imwrite(str(path), RNG.integers(0, 65536, (24, 32, 3)).astype(np.uint16))


def _kelvin(path: Path) -> None:
    assert cv2.imwrite(str(path), RNG.uniform(280, 310, (24, 32)).astype(np.float32))


MOTION = RNG.normal(0, 0.3, (6, 64)) + np.array([0, 0, G, 0, 0, 0])[:, None]


def _table(path: Path) -> None:
    rows = np.column_stack([np.arange(64) / 100, MOTION.T])
    np.savetxt(path, rows, delimiter=",", header="t,ax,ay,az,gx,gy,gz", comments="")


GOOD: dict[str, tuple[Callable[[Path], None], tuple[Callable[[Path], object], ...]]] = {
    "rgb.png": (_picture("RGB"), (files.read_image, files.read_thermal)),
    "palette.png": (_picture("P"), (files.read_image,)),
    "p.jpg": (_picture("RGB"), (files.read_image, files.read_thermal)),
    "p.gif": (_picture("P"), (files.read_image,)),
    "p.webp": (_picture("RGB"), (files.read_image,)),
    "p.bmp": (_picture("RGB"), (files.read_image,)),
    "lzw.tiff": (_picture("RGB", compression="tiff_lzw"), (files.read_image,)),
    "counts.png": (_counts, (files.read_image, files.read_depth, files.read_thermal)),
    "counts.tiff": (_counts, (files.read_depth, files.read_thermal)),
    "kelvin.tiff": (_kelvin, (files.read_thermal, files.read_depth)),
    "rgb16.tiff": (_colours, (files.read_image,)),
    "counts.npy": (_array(RNG.integers(500, 4000, (24, 32), np.uint16)), (files.read_depth,)),
    "kelvin.npy": (_array(RNG.uniform(280, 310, (24, 32))), (files.read_thermal,)),
    "motion.npy": (_array(MOTION), (read_motion,)),
    "motion.csv": (_table, (read_motion,)),
    "s.wav": (_sound, (files.read_audio,)),
    "v.avi": (_video, (timeline,)),
    "v.mp4": (_video, (timeline,)),
}
SLOW = {"s.wav", "v.avi", "v.mp4"}


def damaged(good: bytes, draw: random.Random) -> bytes:
    """One way to spoil a file: flip, cut, repeat, overwrite a number in its head, swap parts."""
    content = bytearray(good)
    at = draw.randrange(min(len(content), 200) if draw.random() < 0.6 else len(content))
    kind = draw.randrange(6)
    if kind == 0:
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
    elif kind == 1:
        del content[at:]
    elif kind == 2:
        content[at : at + 4] = struct.pack("<I", draw.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 70000]))
    elif kind == 3:
        content[at : at + 4] = struct.pack(">I", draw.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 70000]))
    elif kind == 4:
        del content[at : at + draw.randint(1, 40)]
    else:
        content[at:at] = content[: draw.randint(1, 60)]
    return bytes(content)


def complaint(read: Callable[[Path], object], path: Path) -> str | None:
    """What a reader refuses a file with; any other exception fails the test."""
    try:
        read(path)
    except InvalidInput as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", GOOD)
def test_a_damaged_file_is_one_line_with_its_path(tmp_path, name):
    """Breaks if any decoder's own exception gets through, or a warning, or a frame that is none."""
    write, readers = GOOD[name]
    write(tmp_path / name)
    good = (tmp_path / name).read_bytes()
    assert readers[0](tmp_path / name) is not None
    draw = random.Random(zlib.crc32(name.encode()))
    path = tmp_path / f"damaged-{name}"
    refused = 0
    for n in range(SLOW_MUTATIONS if name in SLOW else MUTATIONS):
        path.write_bytes(damaged(good, draw))
        for read in readers:
            said = complaint(read, path)
            refused += said is not None
            assert said is None or (said.startswith(f"{path}: ") and "\n" not in said), (n, said)
    assert refused  # else nothing was damaged


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size; its pixels are zeros, packed as far as they go."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 20), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(70_000, 70_000), (11_000, 10_000), (0, 5)])
def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path, size):
    """Breaks if a few kilobytes can ask for gigabytes (a decompression bomb)."""
    (tmp_path / "bomb.png").write_bytes(png_of(*size))
    for read in (files.read_image, files.read_depth, files.read_thermal):
        with pytest.raises(InvalidInput, match=r"bomb\.png: "):
            read(tmp_path / "bomb.png")


def test_an_array_that_promises_more_than_it_holds_costs_no_memory(tmp_path):
    """Breaks if a header of a terabyte is believed."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (400000, 400000), }"
    header = header.ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)
    (tmp_path / "a.npy").write_bytes(content)
    for read in (files.read_depth, files.read_thermal, files.read_imu):
        with pytest.raises(InvalidInput, match=r"a\.npy: not a NumPy array that can be read"):
            read(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04rest", "an archive of arrays: save the one array"),
        (b"1 2 3\n4 5 6\n", "not a NumPy array: save it by np.save"),
        (b"", "not a NumPy array: save it by np.save"),
        (b"\x80\x04\x95", "not a NumPy array: save it by np.save"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((", "not a NumPy array that can be read"),
    ],
)
def test_what_is_saved_as_an_array_and_is_none_says_so(tmp_path, content, says):
    """Breaks if an archive or a text ends in a traceback, or in numpy's advice to unpickle it."""
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InvalidInput, match=rf"a\.npy: {says}"):
        files.read_imu(tmp_path / "a.npy")


def test_a_playlist_opens_no_address(tmp_path):
    """Breaks if a file that is called a sound makes this machine fetch what it names."""
    (tmp_path / "s.wav").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    with pytest.raises(InvalidInput, match=r"s\.wav: "):
        files.read_audio(tmp_path / "s.wav")


def test_a_folder_and_a_missing_file_say_so(tmp_path):
    """Breaks if the operating system's number is all that is told."""
    for read in (files.read_image, files.read_audio, files.read_imu, timeline):
        with pytest.raises(InvalidInput, match=r"a folder$"):
            read(tmp_path)
        with pytest.raises(InvalidInput, match=r"no such file$"):
            read(tmp_path / "none.wav")


def test_ffmpeg_is_given_up_after_a_while(tmp_path, monkeypatch):
    """Breaks if one file can hold embedding for ever."""

    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("ffmpeg", timeout)

    (tmp_path / "s.mp3").write_bytes(b"junk")
    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(InvalidInput, match=r"s\.mp3: (not a sound.*timed out|not PCM WAV)"):
        files.read_audio(tmp_path / "s.mp3")
