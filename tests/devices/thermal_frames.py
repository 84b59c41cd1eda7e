"""Frames and files of thermal cameras, after their data sheets and apart from our readers."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.uint16]

PLANCK = {"r1": 21106.77, "b": 1501.0, "f": 1.0, "o": -7340, "r2": 0.012545258}
"""Of a FLIR T300, as its files tell."""


def lepton(
    kelvin: NDArray[np.float64],
    *,
    uptime_ms: int = 0,
    frame: int = 0,
    tlinear: bool = True,
    low_gain: bool = False,
    shutter: bool = False,
    above: bool = False,
) -> Counts:
    """A Lepton's frame in Y16 with its lines of telemetry, by the tables of the data sheet."""
    per_kelvin = 10 if low_gain else 100
    picture = np.rint(kelvin * per_kelvin).astype(np.uint16)
    width = picture.shape[1]
    words = np.zeros(240 if width == 80 else 320, np.uint16)
    words[0] = 0x000E  # revision
    words[1], words[2] = uptime_ms & 0xFFFF, uptime_ms >> 16
    words[3] = (2 if shutter else 3) << 4  # FFC: in progress, or complete
    words[20], words[21] = frame & 0xFFFF, frame >> 16
    words[22], words[23], words[24] = 8000, 8200, 30500  # mean, FPA counts, FPA 305 K
    words[160 + 48], words[160 + 49] = tlinear, not low_gain
    lines = words.reshape(-1, width)
    return np.vstack([lines, picture] if above else [picture, lines])


def p2pro(kelvin: NDArray[np.float64]) -> Counts:
    """256x384: the picture as YUYV above, and 1/64 K below, little-endian."""
    luma = np.full((192, 256), 0x80 << 8 | 0x33, np.uint16)
    return np.vstack([luma, np.rint(kelvin * 64).astype(np.uint16)])


def seen(
    kelvin: NDArray[np.float64],
    *,
    emissivity: float = 1.0,
    air: float = 1.0,
    reflected_k: float = 293.15,
    air_k: float = 293.15,
) -> Counts:
    """What a FLIR camera counts: object, reflection and air, each by Planck's law, added up."""

    def law(t: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return PLANCK["r1"] / (PLANCK["r2"] * (np.exp(PLANCK["b"] / t) - PLANCK["f"])) - PLANCK["o"]

    radiation = emissivity * air * law(kelvin)
    radiation = radiation + (1 - emissivity) * air * law(reflected_k) + (1 - air) * law(air_k)
    return np.rint(radiation).astype(np.uint16)


def transmission(distance_m: float, air_c: float, humidity: float) -> float:
    """Of air, by the formula of FLIR's manuals with its usual constants."""
    water = humidity * math.exp(
        1.5587 + 6.939e-2 * air_c - 2.7816e-4 * air_c**2 + 6.8455e-7 * air_c**3
    )
    root, wet = math.sqrt(distance_m), math.sqrt(water)
    first = 1.9 * math.exp(-root * (0.006569 - 0.002276 * wet))
    return first - 0.9 * math.exp(-root * (0.01262 - 0.00667 * wet))


def png16(counts: Counts, *, swapped: bool) -> bytes:
    """A PNG of 16 bits; many cameras swap its bytes."""
    good, data = cv2.imencode(".png", counts.byteswap() if swapped else counts)
    assert good
    return bytes(data)


def fff(
    counts: Counts,
    *,
    order: str = ">",
    stored: bytes | None = None,
    scene: dict[int, float] | None = None,
) -> bytes:
    """FLIR's file of records: RawData (counts little-endian, or ``stored``), and CameraInfo."""
    height, width = counts.shape
    raw = struct.pack("<3H", 2, width, height) + bytes(26)
    raw += stored if stored is not None else counts.astype("<u2").tobytes()
    camera = bytearray(0x400)
    struct.pack_into("<H", camera, 0, 2)
    usual = {0x20: 1.0, 0x24: 0.0, 0x28: 293.15, 0x2C: 293.15, 0x30: 293.15, 0x34: 1.0, 0x3C: 0.5,
             0x58: PLANCK["r1"], 0x5C: PLANCK["b"], 0x60: PLANCK["f"], 0x30C: PLANCK["r2"],
             0x70: 0.006569, 0x74: 0.01262, 0x78: -0.002276, 0x7C: -0.00667, 0x80: 1.9}  # fmt: skip
    for offset, value in (usual | (scene or {})).items():
        struct.pack_into("<f", camera, offset, value)
    struct.pack_into("<i", camera, 0x308, int(PLANCK["o"]))
    header = struct.pack(f"{order}4s16s3I", b"FFF", b"test", 100, 64, 3) + bytes(32)
    first = 64 + 3 * 32
    entries = (0, 0, 0), (1, first, len(raw)), (0x20, first + len(raw), len(camera))
    table = b"".join(
        struct.pack(f"{order}2H2I2I12x", kind, 1, 100, 1, offset, length)
        for kind, offset, length in entries
    )
    return header + table + raw + bytes(camera)


def radiometric_jpeg(data: bytes, chunk: int = 60_000) -> bytes:
    """A JPEG of false colours with these bytes in FLIR segments behind the start of image."""
    good, shown = cv2.imencode(".jpg", np.full((24, 32, 3), (30, 90, 200), np.uint8))
    assert good
    parts = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    out = io.BytesIO()
    out.write(b"\xff\xd8")
    for number, part in enumerate(parts):
        body = b"FLIR\0\x01" + bytes([number, len(parts) - 1]) + part
        out.write(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    out.write(bytes(shown)[2:])
    return out.getvalue()


def scenery(
    height: int, width: int, low_k: float = 250.0, high_k: float = 400.0
) -> NDArray[np.float64]:
    """Temperatures of a smooth scene."""
    across = np.linspace(0, 1, width)[None, :]
    down = np.linspace(0, 1, height)[:, None]
    return low_k + (high_k - low_k) * (0.5 + 0.5 * np.sin(3 * across + 2 * down)) * across


Decoder = Callable[[bytes], NDArray[np.uint16]]


def decoded(stored: bytes) -> NDArray[np.uint16]:
    """A PNG, by OpenCV."""
    return cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)
