"""FLIR's radiometric files and counts: bytes -> counts and constants -> kelvin. Pure.

Sources: the records of a JPEG's FLIR segments ("FFF") as ExifTool documents them (TagNames/FLIR);
the measurement formula of FLIR's camera manuals ("Thermographic measurement techniques"): what is
seen is the object's radiation and what it reflects, weakened by the air, plus the air's own;
Planck's law with the camera's five constants between counts and temperature; the air's transmission
by Minkina & Dudzik, Infrared Thermography (2009), whose constants the files hold.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array

RAW_DATA, CAMERA_INFO = 0x01, 0x20
SEGMENT = b"FLIR\0\x01"
HEADS = (b"FFF\0", b"AFF\0")
CELSIUS_K = 273.15
_PNG = b"\x89PNG"
_MOST_RECORDS = 256


@dataclass(frozen=True, slots=True)
class Planck:
    """A camera's constants: counts = r1 / (r2 * (exp(b / kelvin) - f)) - o."""

    r1: float
    b: float
    f: float
    o: float
    r2: float

    def counts(self, kelvin: float) -> float:
        """What a black body of this temperature gives."""
        return self.r1 / (self.r2 * (math.exp(self.b / kelvin) - self.f)) - self.o

    def kelvin(self, counts: Array) -> Array:
        """Counts, float64 -> float64; 0 K where there is less than no radiation."""
        seen = np.maximum(counts + self.o, 1e-9)
        found: Array = self.b / np.log(self.r1 / (self.r2 * seen) + self.f)
        return found


@dataclass(frozen=True, slots=True)
class Scene:
    """What lies between an object and the camera; the defaults change nothing."""

    emissivity: float = 1.0
    distance_m: float = 0.0
    reflected_k: float = 293.15
    air_k: float = 293.15
    window_k: float = 293.15
    window: float = 1.0
    humidity: float = 0.5
    alphas: tuple[float, float] = (0.006569, 0.01262)
    betas: tuple[float, float] = (-0.002276, -0.00667)
    x: float = 1.9

    def transmission(self) -> float:
        """Of the air, 0 to 1."""
        c = self.air_k - CELSIUS_K
        water = self.humidity * math.exp(
            1.5587 + 0.06939 * c - 0.00027816 * c**2 + 0.00000068455 * c**3
        )
        path, wet = math.sqrt(self.distance_m), math.sqrt(water)
        first, second = (
            math.exp(-path * (alpha + beta * wet))
            for alpha, beta in zip(self.alphas, self.betas, strict=True)
        )
        return min(1.0, self.x * first + (1 - self.x) * second)


@dataclass(frozen=True, slots=True)
class Radiometric:
    """Counts (H, W) uint16 and all that turns them into kelvin."""

    counts: Array
    planck: Planck
    scene: Scene

    def kelvin(self) -> Array:
        """(H, W) float32: the temperature of what is seen."""
        return kelvin(self.counts, self.planck, self.scene)


def kelvin(counts: Array, planck: Planck, scene: Scene | None = None) -> Array:
    """(H, W) uint16 counts -> (H, W) float32 kelvin. Without a scene: of black bodies nearby."""
    scene = scene or Scene()
    air = scene.transmission()
    low, high = int(counts.min()), int(counts.max())
    table = np.arange(low, high + 1, dtype=np.float64)  # of all counts that occur
    table = (table - (1 - scene.window) * planck.counts(scene.window_k)) / scene.window
    table -= (1 - air) * planck.counts(scene.air_k)
    table -= (1 - scene.emissivity) * air * planck.counts(scene.reflected_k)
    found: Array = planck.kelvin(table / (scene.emissivity * air)).astype(np.float32)
    return found[counts.astype(np.int64) - low]


def radiometric(data: bytes, png: Callable[[bytes], Array | None]) -> Radiometric | None:
    """A file's bytes -> its counts; None where it is no radiometric file of FLIR's.

    ``png`` decodes a PNG of 16 bits, which some cameras put the counts into (and many of them in
    the wrong byte order). Raises InvalidInput for one that is damaged.
    """
    fff = data if data.startswith(HEADS) else _of_segments(data)
    if fff is None:
        return None
    try:
        records = _records(fff)
        planck, scene = _camera(records[CAMERA_INFO])
        return Radiometric(_counts(records[RAW_DATA], png), planck, scene)
    except KeyError as error:
        missing = "counts" if error.args == (RAW_DATA,) else "the camera's constants"
        raise InvalidInput(f"is a radiometric JPEG without {missing}") from None
    except (struct.error, ValueError, OverflowError) as error:
        raise InvalidInput(f"is a damaged radiometric JPEG: {error}") from error


def _of_segments(data: bytes) -> bytes | None:
    """The FFF that a JPEG's FLIR segments hold together; None where there are none."""
    if not data.startswith(b"\xff\xd8"):
        return None
    parts: dict[int, bytes] = {}
    last, at = -1, 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + size]
        if data[at + 1] == 0xE1 and body.startswith(SEGMENT):
            if len(body) <= 8:
                raise InvalidInput("is a damaged radiometric JPEG: a segment is cut off")
            parts[body[6]], last = body[8:], body[7]
        at += 1 if data[at + 1] == 0xFF else 2 + max(size, 2)
    if not parts:
        return None
    if sorted(parts) != list(range(last + 1)):
        raise InvalidInput(f"is a damaged radiometric JPEG: {len(parts)} of {last + 1} segments")
    return b"".join(parts[number] for number in sorted(parts))


def _records(fff: bytes) -> dict[int, bytes]:
    """Records by their type; the first of each."""
    order = next((o for o in "><" if 100 <= struct.unpack_from(f"{o}I", fff, 0x14)[0] < 200), None)
    if order is None:
        raise ValueError("of a version that is not known")
    start, count = struct.unpack_from(f"{order}2I", fff, 0x18)
    if count > _MOST_RECORDS:
        raise ValueError(f"it would have {count} records")
    found: dict[int, bytes] = {}
    for number in range(count):
        entry = start + 32 * number
        (kind,) = struct.unpack_from(f"{order}H", fff, entry)
        offset, length = struct.unpack_from(f"{order}2I", fff, entry + 12)
        if kind in (RAW_DATA, CAMERA_INFO) and offset + length > len(fff):
            raise ValueError("it ends too early")
        found.setdefault(kind, fff[offset : offset + length])
    return found


def _order(record: bytes) -> str:
    """A record's byte order: its first number is a small one."""
    return "<" if int.from_bytes(record[:2], "little") < 0x100 else ">"


def _camera(record: bytes) -> tuple[Planck, Scene]:
    order = _order(record)

    def at(offset: int, form: str = "f") -> float:
        value = float(struct.unpack_from(f"{order}{form}", record, offset)[0])
        if not math.isfinite(value):
            raise ValueError(f"the number at {offset:x} of the camera's record is none")
        return value

    planck = Planck(r1=at(0x58), b=at(0x5C), f=at(0x60), o=at(0x308, "i"), r2=at(0x30C))
    if planck.r1 <= 0 or planck.b <= 0 or planck.r2 <= 0:
        raise ValueError("its Planck constants are none")
    humidity = at(0x3C)
    scene = Scene(
        emissivity=at(0x20),
        distance_m=max(0.0, at(0x24)),
        reflected_k=at(0x28),
        air_k=at(0x2C),
        window_k=at(0x30),
        window=at(0x34) or 1.0,
        humidity=humidity / 100 if humidity > 2 else humidity,
        alphas=(at(0x70), at(0x74)),
        betas=(at(0x78), at(0x7C)),
        x=at(0x80),
    )
    if not (0 < scene.emissivity <= 1 and 0 < scene.window <= 1 and scene.transmission() > 0):
        raise ValueError("its emissivity or transmission is none")
    if min(scene.reflected_k, scene.air_k, scene.window_k) <= 0:
        raise ValueError("its temperatures are none")
    return planck, scene


def _counts(record: bytes, png: Callable[[bytes], Array | None]) -> Array:
    order = _order(record)
    width, height = struct.unpack_from(f"{order}2H", record, 2)
    stored = record[32:]
    if stored.startswith(_PNG):
        return _in_order(_decoded(stored, png, (height, width)))
    if len(stored) < 2 * width * height or not width * height:
        raise ValueError(
            f"{len(stored)} bytes of counts, {width}x{height} are {2 * width * height}"
        )
    pixels = np.frombuffer(stored, f"{order}u2", width * height).reshape(height, width)
    return pixels.astype(np.uint16)


def _decoded(stored: bytes, png: Callable[[bytes], Array | None], shape: tuple[int, int]) -> Array:
    pixels = png(stored)
    if pixels is None or pixels.dtype.itemsize < 2 or pixels.shape != shape:
        came = "nothing" if pixels is None else f"{pixels.dtype} {pixels.shape}"
        raise ValueError(f"its PNG of counts gives {came}, wanted uint16 {shape}")
    return pixels.astype(np.uint16)


def _in_order(pixels: Array) -> Array:
    """Many cameras swap the bytes of the PNG: of a scene the right order is by far the smoother."""
    swapped = pixels.byteswap()
    right: Array = min(pixels, swapped, key=_roughness)
    return right


def _roughness(pixels: Array) -> float:
    wide = pixels.astype(np.int32)
    return float(np.abs(np.diff(wide, axis=1)).mean() + np.abs(np.diff(wide, axis=0)).mean())
