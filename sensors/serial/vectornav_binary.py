"""VectorNav's binary messages: bytes -> readings. Pure.

Source: VectorNav UM001, "VN-100 User Manual" v2.22, chapter 4. A frame is 0xFA, a byte that says
which groups follow, a 16-bit word (little-endian) for each that says which of its fields do, these
fields, and a CRC-16-CCITT (big-endian) of all but the first byte. Numbers are little-endian floats,
m/s2 and rad/s; TimeStartup is ns since the device's start. z points down (option mounting).
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from functools import lru_cache

from sensors.serial.frames import Frames
from sensors.serial.lines import in_range
from sensors.serial.witmotion import Reading

HEAD = b"\xfa"
_GPS = (8, 8, 2, 1, 1, 24, 24, 12, 12, 12, 4, 4, 2, 28)
SIZES = (
    (8, 8, 8, 12, 16, 12, 24, 12, 12, 24, 20, 28, 2, 4, 8),
    (8, 8, 8, 2, 8, 8, 8, 4, 4, 1),
    (2, 12, 12, 12, 4, 4, 16, 12, 12, 12, 12, 2, 40),
    _GPS,
    (2, 12, 16, 36, 12, 12, 12, 12, 12, 12, 28, 24, 12),
    (2, 24, 24, 12, 12, 12, 12, 12, 12, 4, 4, 68, 64),
    _GPS,
)
"""Bytes of each field of groups 1 to 7. Those beyond (satellites, raw measurements) vary in length:
a message with one of them cannot be read."""
ACCEL = ((0, 8, 0), (2, 9, 0), (0, 9, 0), (2, 2, 0))
"""Where acceleration may be, best first: group, field, bytes into it. Compensated (Accel), then
uncompensated (Imu, UncompAccel)."""
GYRO = ((0, 5, 0), (2, 10, 0), (0, 9, 12), (2, 3, 0))
TIME = ((0, 0, 0), (1, 0, 0))
"""TimeStartup."""

_triple = struct.Struct("<3f").unpack_from
_ns = struct.Struct("<Q").unpack_from
Places = tuple[int | None, int | None, int | None]


class VectorNavBinary:
    """Parses a stream that may begin anywhere and may be damaged.

    ``bad`` counts frames whose CRC was wrong or that held what no IMU measures, ``skipped`` bytes
    that belonged to no frame, ``unpaired`` frames without acceleration or without rate of turn.
    ``time_unit`` is "ns" where the messages hold TimeStartup: it is then a reading's seventh value.
    """

    def __init__(self) -> None:
        self.unpaired = 0
        self.why = "check baud and protocol"
        self.time_unit: str | None = None
        self._frames = Frames(HEAD, size, lambda frame: not crc_hqx(frame[1:], 0))
        self._odd = 0
        self._began = False

    @property
    def bad(self) -> int:
        """Frames whose CRC was wrong, or whose contents were."""
        return self._frames.bad + self._odd

    @property
    def skipped(self) -> int:
        """Bytes that belonged to no frame."""
        return self._frames.skipped

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that are complete after these bytes, oldest first."""
        readings = [self._reading(frame) for frame in self._frames.feed(data)]
        return [reading for reading in readings if reading is not None]

    def _reading(self, frame: bytes) -> Reading | None:
        accel, gyro, time = places(frame[: header_length(frame[1])])
        if accel is None or gyro is None:
            self.unpaired += 1
            self.why = (
                "messages come without acceleration or rate of turn: add Accel and AngularRate of "
                "the common group to the binary output (register 75, group 1, fields 0121 hex)"
            )
            return None
        reading = (*_triple(frame, accel), *_triple(frame, gyro))
        if not in_range(reading):
            self._odd += 1
            self.why = "messages hold what no IMU measures"
            return None
        return self._timed(reading, frame, time)

    def _timed(self, reading: Reading, frame: bytes, time: int | None) -> Reading | None:
        """With the device's time, in all readings or in none."""
        if not self._began:
            self._began, self.time_unit = True, "ns" if time is not None else None
        if self.time_unit is None:
            return reading
        if time is None:
            self._odd += 1
            self.why = "some messages hold TimeStartup, others do not"
            return None
        return (*reading, float(_ns(frame, time)[0]))


def size(buffer: bytes, at: int) -> int | None:
    """See sensors.serial.frames.Size."""
    if at + 2 > len(buffer):
        return None
    groups = buffer[at + 1]
    if not groups or groups & 0x80:
        return 0
    length = header_length(groups)
    if at + length > len(buffer):
        return None
    return _size(buffer[at : at + length])


def header_length(groups: int) -> int:
    """Bytes of a header with these groups."""
    return 2 + 2 * groups.bit_count()


@lru_cache(256)
def _size(header: bytes) -> int:
    sizes = [_length(group, field) for group, field in _fields(header)]
    return len(header) + sum(sizes) + 2 if sizes and all(sizes) else 0


@lru_cache(256)
def places(header: bytes) -> Places:
    """Where acceleration, rate of turn and time lie in a frame with this header."""
    found: dict[tuple[int, int], int] = {}
    at = len(header)
    for group, field in _fields(header):
        found[group, field] = at
        at += _length(group, field)
    accel, gyro, time = (
        next((found[g, f] + into for g, f, into in where if (g, f) in found), None)
        for where in (ACCEL, GYRO, TIME)
    )
    return accel, gyro, time


def _fields(header: bytes) -> list[tuple[int, int]]:
    """The fields that a header names, in order, as (group, field)."""
    groups = [group for group in range(7) if header[1] >> group & 1]
    words = struct.unpack_from(f"<{len(groups)}H", header, 2)
    pairs = zip(groups, words, strict=True)
    return [(group, bit) for group, word in pairs for bit in range(16) if word >> bit & 1]


def _length(group: int, field: int) -> int:
    """Bytes of a field; 0 where that is not known."""
    sizes = SIZES[group]
    return sizes[field] if field < len(sizes) else 0
