"""Xsens' MTData2 messages: bytes -> readings. Pure.

Source: Xsens "MT Low-Level Communication Protocol Documentation" (MT0101P), chapters "Message
structure" and "MTData2". A message is FA FF, id, length (FF: two bytes of it follow), data, and a
byte that makes the sum of all but the first 0 modulo 256. The data of MTData2 (id 36) are packets:
a 16-bit identifier, a length, a value; all big-endian. The identifier's last digit says how numbers
are written: float32, fixed point 12.20, fixed point 16.32 (fraction first), float64.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sensors.serial.frames import Frames
from sensors.serial.lines import in_range
from sensors.serial.witmotion import Reading

HEAD = b"\xfa\xff"
MTDATA2 = 0x36
MAX_DATA = 512
ACCELERATION, RATE_OF_TURN = 0x4020, 0x8020
SAMPLE_TIME_FINE, PACKET_COUNTER = 0x1060, 0x1020
NAMES = {ACCELERATION: "Acceleration (4020)", RATE_OF_TURN: "RateOfTurn (8020)"}
KIND, FORMAT = 0xFFF0, 0x0003
CLOCKS = {SAMPLE_TIME_FINE: ("100us", ">I"), PACKET_COUNTER: ("count", ">H")}
"""What tells the time of a message, best first: SampleTimeFine counts 10 kHz and wraps at 2^32,
PacketCounter counts messages and wraps at 2^16."""


class Xsens:
    """Parses a stream that may begin anywhere and may be damaged.

    ``bad`` counts messages whose sum was wrong or that held what no IMU measures, ``skipped`` bytes
    that belonged to none, ``unpaired`` messages of data without acceleration or rate of turn.
    ``time_unit`` is the unit of a reading's seventh value, None where there is none.
    """

    def __init__(self) -> None:
        self.unpaired = 0
        self.why = "check baud and protocol, and that the device measures"
        self.time_unit: str | None = None
        self._frames = Frames(HEAD, size, lambda frame: not sum(frame[1:]) & 0xFF, weak=True)
        self._odd = 0
        self._clock: int | None = None
        self._began = False

    @property
    def bad(self) -> int:
        """Messages whose sum was wrong, or whose contents were."""
        return self._frames.bad + self._odd

    @property
    def skipped(self) -> int:
        """Bytes that belonged to no message."""
        return self._frames.skipped

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that are complete after these bytes, oldest first."""
        messages = [frame for frame in self._frames.feed(data) if frame[2] == MTDATA2]
        readings = [self._checked(message) for message in messages]
        return [reading for reading in readings if reading is not None]

    def _checked(self, message: bytes) -> Reading | None:
        try:
            return self._reading(dict(packets(message)))
        except (ValueError, struct.error) as error:
            self._odd += 1
            self.why = f"messages come that {error}"
            return None

    def _reading(self, values: dict[int, tuple[int, bytes]]) -> Reading | None:
        missing = [name for kind, name in NAMES.items() if kind not in values]
        if missing:
            self.unpaired += 1
            self.why = f"messages come without {' and '.join(missing)}: add it to the output"
            return None
        reading = (*triple(*values[ACCELERATION]), *triple(*values[RATE_OF_TURN]))
        if not in_range(reading):
            raise ValueError("hold what no IMU measures")
        return self._timed(reading, values)

    def _timed(self, reading: Reading, values: dict[int, tuple[int, bytes]]) -> Reading:
        """With the device's time, in all readings or in none."""
        if not self._began:
            self._began = True
            self._clock = next((kind for kind in CLOCKS if kind in values), None)
            self.time_unit = CLOCKS[self._clock][0] if self._clock is not None else None
        if self._clock is None:
            return reading
        if self._clock not in values:
            raise ValueError("lack the time that others have")
        (time,) = struct.unpack(CLOCKS[self._clock][1], values[self._clock][1])
        return (*reading, float(time))


def size(buffer: bytes, at: int) -> int | None:
    """See sensors.serial.frames.Size."""
    if at + 6 > len(buffer):  # the shortest that says how long it is
        return None if at + 4 > len(buffer) or buffer[at + 3] else 5
    n_data = buffer[at + 3]
    if n_data < 0xFF:
        return n_data + 5
    n_data = int.from_bytes(buffer[at + 4 : at + 6], "big")
    return n_data + 7 if n_data <= MAX_DATA else 0


def packets(message: bytes) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """The packets of an MTData2 message: kind of data, how its numbers are written, and they.

    Raises ValueError where they do not fill the message.
    """
    at, end = (4 if message[3] < 0xFF else 6), len(message) - 1
    while at < end:
        if at + 3 > end or at + 3 + message[at + 2] > end:
            raise ValueError("do not hold what their lengths say")
        identifier, length = int.from_bytes(message[at : at + 2], "big"), message[at + 2]
        yield identifier & KIND, (identifier & FORMAT, message[at + 3 : at + 3 + length])
        at += 3 + length


def triple(written: int, value: bytes) -> tuple[float, ...]:
    """Three numbers. Raises struct.error where the value has another length."""
    if written == 0:
        return struct.unpack(">3f", value)
    if written == 1:
        return tuple(number / (1 << 20) for number in struct.unpack(">3i", value))
    if written == 2:
        parts = struct.unpack(">IhIhIh", value)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return tuple(whole + fraction / (1 << 32) for fraction, whole in pairs)
    return struct.unpack(">3d", value)
