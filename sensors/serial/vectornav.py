"""VectorNav's ASCII messages: bytes -> readings. Pure.

Source: VectorNav UM001, "VN-100 User Manual" v2.22, section 3.8 (checksum, 16-bit CRC) and the
"Async Header" messages of its attitude and IMU subsystems. A line is ``$VNxxx,field,...*HH``; HH is
the XOR of the bytes between ``$`` and ``*``, or four digits of CRC-16-CCITT. Numbers are m/s2 and
rad/s already. The axes are the device's: z points down, so at rest az is -9.8 (option mounting).
"""

from __future__ import annotations

import re
from binascii import crc_hqx

from sensors.serial.line_buffer import LineBuffer
from sensors.serial.lines import AXES, in_range, shown, xor
from sensors.serial.witmotion import Reading

MESSAGES = {
    "VNYMR": (12, 6),  # yaw pitch roll, magnetometer, accelerometer, gyroscope
    "VNQMR": (13, 7),  # quaternion, magnetometer, accelerometer, gyroscope
    "VNIMU": (11, 3),  # magnetometer, accelerometer, gyroscope, temperature, pressure
    "VNMAR": (9, 3),  # magnetometer, accelerometer, gyroscope
}
"""How many fields a message has, and which of them is ax; ay az gx gy gz follow it."""

_FRAME = re.compile(rb"\$(VN[A-Z]+[^*]*)\*([0-9A-F]{4}|[0-9A-F]{2})\Z")


class VectorNav:
    """Parses lines that may begin anywhere and may be damaged.

    ``bad`` counts lines that were no message, ``skipped`` bytes of lines without end; ``seen``
    holds the messages that came. Without the device's time: the binary messages have it.
    """

    time_unit = None
    unpaired = 0

    def __init__(self) -> None:
        self.bad = 0
        self.why = ""
        self.seen: set[str] = set()
        self._lines = LineBuffer()
        self._began = False

    @property
    def skipped(self) -> int:
        """Bytes that went on without any end of a line."""
        return self._lines.skipped

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that are complete after these bytes, oldest first."""
        readings = [self._reading(line) for line in self._lines.feed(data)]
        return [reading for reading in readings if reading is not None]

    def _reading(self, line: bytes) -> Reading | None:
        try:
            return self._measures(line)
        except ValueError as error:
            self.bad += self._began  # the first line is often cut off: that is no damage
            self.why = f"a line such as {shown(line)} {error}"
            return None
        finally:
            self._began = True

    def _measures(self, line: bytes) -> Reading | None:
        name, *fields = message(line)
        self.seen.add(name)
        if name not in MESSAGES:
            self.why = _missing(self.seen)
            return None
        n_fields, first = MESSAGES[name]
        if len(fields) < n_fields:
            raise ValueError(f"has {len(fields)} fields, {name} has {n_fields}")
        reading = tuple(float(field) for field in fields[first : first + len(AXES)])
        if not in_range(reading):
            raise ValueError("holds what no IMU measures")
        return reading


def message(line: bytes) -> list[str]:
    """A line's fields, the first the message's name. Raises ValueError where it is none, or its
    check does not hold."""
    found = _FRAME.match(line, max(0, line.rfind(b"$VN")))  # a cut line runs into the next
    if found is None:
        raise ValueError("is no VectorNav message ($VNxxx,...*HH): check baud and protocol")
    body, told = found[1], int(found[2], 16)
    came = xor(body) if len(found[2]) == 2 else crc_hqx(body, 0)
    if told != came:
        raise ValueError(f"has checksum {found[2].decode()}, its bytes give {came:02X}")
    return body.decode("ascii", "replace").split(",")


def _missing(seen: set[str]) -> str:
    return (
        f"{', '.join(sorted(seen))} come, but none of {', '.join(MESSAGES)}, which hold "
        "acceleration and rate of turn: set the async data output type (register 6) to 14 (VNYMR) "
        "or 19 (VNIMU)"
    )
