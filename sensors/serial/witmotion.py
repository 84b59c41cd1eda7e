"""WitMotion's binary protocol: bytes -> readings. Pure.

Source: docs.wit-motion.com, "WT901 protocol" (WT901, JY901, HWT905 and kin). A frame is 11 bytes:
0x55, type, four int16 little-endian, and the sum of the first ten bytes. Type 0x51 is the
accelerometer (full scale 16 g), 0x52 the gyroscope (2000 deg/s), in that order; the others
(angle, magnetometer, ...) are passed over.
"""

from __future__ import annotations

import math
import struct

from bindstream.imu import G

HEAD = 0x55
LENGTH = 11
ACCELEROMETER, GYROSCOPE = 0x51, 0x52
TYPES = range(0x50, 0x60)
ACCEL_SCALE = 16 * G / 32768
GYRO_SCALE = math.radians(2000) / 32768

Reading = tuple[float, ...]
"""Six values: m/s2, then rad/s."""

_triple = struct.Struct("<3h").unpack_from


class WitMotion:
    """Parses a stream that may begin anywhere and may be damaged.

    ``bad`` counts frames whose sum was wrong, ``skipped`` bytes that belonged to no frame,
    ``unpaired`` accelerometer or gyroscope frames without their other half; ``seen`` holds the
    types of frames that came. The sum lets 1 in 256
    damaged frames through: so after damage a frame counts only if the next one follows it.
    """

    time_unit = None

    def __init__(self) -> None:
        self.bad = 0
        self.skipped = 0
        self.unpaired = 0
        self.seen: set[int] = set()
        self._rest = b""
        self._in_step = False
        self._accel: tuple[int, int, int] | None = None

    @property
    def why(self) -> str:
        """What kept these bytes from being readings."""
        missing = {ACCELEROMETER: "accelerometer", GYROSCOPE: "gyroscope"}
        named = [
            f"0x{kind:02x} ({name})" for kind, name in missing.items() if kind not in self.seen
        ]
        if not self.seen or not named:
            return "check baud and protocol"
        seen = ", ".join(f"0x{kind:02x}" for kind in sorted(self.seen))
        return (
            f"frames of type {seen} come, but none of {' and '.join(named)}: switch that output on "
            "in the vendor's tool"
        )

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that are complete after these bytes, oldest first."""
        buffer = self._rest + data
        readings: list[Reading] = []
        at = 0
        while (stands := self._stands(buffer, at)) is not None:
            if stands:
                self._take(buffer, at, readings)
            at += LENGTH if stands else self._to_next_head(buffer, at)
        self._rest = buffer[at:]
        return readings

    def _stands(self, buffer: bytes, at: int) -> bool | None:
        """Whether a frame stands here; None where more bytes are needed to tell."""
        if at < len(buffer) and buffer[at] != HEAD:
            return False
        if at + LENGTH > len(buffer):
            return None
        if buffer[at + 1] not in TYPES or not _sum_holds(buffer, at):
            self.bad += self._in_step
            return False
        if not self._in_step:
            follower = at + LENGTH
            if follower >= len(buffer):
                return None
            if buffer[follower] != HEAD:
                return False
        self._in_step = True
        return True

    def _to_next_head(self, buffer: bytes, at: int) -> int:
        """No frame stands here: how far it is to the next head, a byte at least."""
        self._in_step = False
        self._drop_half()
        head = buffer.find(HEAD, at + 1)
        step = (head if head >= 0 else len(buffer)) - at
        self.skipped += step
        return step

    def _take(self, buffer: bytes, at: int, readings: list[Reading]) -> None:
        kind = buffer[at + 1]
        self.seen.add(kind)
        if kind == ACCELEROMETER:
            self._drop_half()
            self._accel = _triple(buffer, at + 2)
        elif kind == GYROSCOPE and self._accel is None:
            self.unpaired += 1
        elif kind == GYROSCOPE and self._accel is not None:
            gyro = _triple(buffer, at + 2)
            accel, self._accel = self._accel, None
            readings.append((*(v * ACCEL_SCALE for v in accel), *(v * GYRO_SCALE for v in gyro)))

    def _drop_half(self) -> None:
        self.unpaired += self._accel is not None
        self._accel = None


def _sum_holds(buffer: bytes, at: int) -> bool:
    return sum(buffer[at : at + LENGTH - 1]) & 0xFF == buffer[at + LENGTH - 1]
