"""Bosch BNO055 over UART: what is asked of it, and answers -> readings. Pure.

Source: Bosch Sensortec BST-BNO055-DS000, "BNO055 data sheet", sections 3.3 (operation modes), 3.6
(units and data), 4.3 (registers), 4.7 (UART). The device says nothing unasked: AA 01 register
length reads, AA 00 register length data writes; it answers BB length data, or EE status. There is
no checksum; status 07, a bus overrun, is usual and means: ask again.
"""

from __future__ import annotations

import math
import struct

from bindstream.imu import G
from sensors.serial.lines import in_range
from sensors.serial.witmotion import Reading

PAGE, CHIP, UNITS, MODE, DATA = 0x07, 0x00, 0x3B, 0x3D, 0x08
CHIP_ID = 0xA0
CONFIGURING, ACCEL_AND_GYRO = 0x00, 0x05
MODES = (0x05, 0x07, 0x08, 0x0B, 0x0C)
"""Modes in which both accelerometer and gyroscope run: ACCGYRO, AMG, IMU, NDOF_FMC_OFF, NDOF."""
N_DATA = 18
"""Accelerometer, magnetometer, gyroscope: three int16 each, little-endian."""
OVERRUN, WRITTEN = 0x07, 0x01
STATUS = {0x02: "READ_FAIL", 0x03: "WRITE_FAIL", 0x04: "REGMAP_INVALID_ADDRESS",
          0x05: "REGMAP_WRITE_DISABLED", 0x06: "WRONG_START_BYTE", 0x07: "BUS_OVER_RUN_ERROR",
          0x08: "MAX_LENGTH_ERROR", 0x09: "MIN_LENGTH_ERROR",
          0x0A: "RECEIVE_CHARACTER_TIMEOUT"}  # fmt: skip
ANSWER_S = 0.1
"""An answer that is not there after so long will not come: it takes 2 ms."""
SETTLE_S = 0.02
"""After a change of mode (7 ms), and between tries."""
MOST_SILENT = 5
"""Unanswered in a row: the device may have begun anew, so it is set up again."""
_triple = struct.Struct("<3h").unpack_from


def read(register: int, length: int) -> bytes:
    """The command that reads registers."""
    return bytes([0xAA, 0x01, register, length])


def write(register: int, value: int) -> bytes:
    """The command that writes one register."""
    return bytes([0xAA, 0x00, register, 1, value])


SET_UP = (write(PAGE, 0), read(CHIP, 1), read(UNITS, 1), read(MODE, 1))
POLL = read(DATA, N_DATA)


class Bno055:
    """Asks, and parses the answers; ``request`` says what to send and when to come again.

    A reading's seventh value is when it was asked for, us of the caller's clock. ``bad`` counts
    errors, answers that never came and readings of a device that had begun anew, ``skipped`` bytes
    that belonged to no answer.
    """

    time_unit = "us"
    unpaired = 0

    def __init__(self, rate_hz: float) -> None:
        self.bad = 0
        self.skipped = 0
        self.why = "it does not answer: check baud (115200), and that PS1 is high (UART)"
        self._period_s = 1.0 / rate_hz
        self._to_set_up = list(SET_UP)
        self._scales = (1.0, 1.0)
        self._asked = b""
        self._asked_s = self._due_s = float("-inf")
        self._silent = 0
        self._rest = b""

    def request(self, now_s: float) -> tuple[bytes, float]:
        """What to send now (nothing: b""), and for how long then to wait, s."""
        if self._asked and now_s - self._asked_s >= ANSWER_S:
            self._missed()
        if self._asked:
            return b"", self._asked_s + ANSWER_S - now_s
        if now_s < self._due_s:
            return b"", self._due_s - now_s
        self._due_s = max(self._due_s + self._period_s, now_s)
        self._rest = b""
        self._asked = self._to_set_up[0] if self._to_set_up else POLL
        self._asked_s = now_s
        return self._asked, ANSWER_S

    def feed(self, data: bytes) -> list[Reading]:
        """The reading that these bytes complete, if any."""
        self._rest += data
        while self._rest:
            length = self._answer_length()
            if length is None:
                return []
            if not length:
                self.skipped += 1
                self._rest = self._rest[1:]
                continue
            answer, self._rest = self._rest[:length], self._rest[length:]
            return self._answered(answer)
        return []

    def _answer_length(self) -> int | None:
        """Of the answer that the rest begins with: 0 where none does, None where it is cut."""
        wanted = self._asked[3] if self._asked[1:2] == b"\x01" else 0
        if not self._asked or self._rest[0] not in (0xBB, 0xEE):
            return 0
        if len(self._rest) < 2:
            return None
        if self._rest[0] == 0xEE:
            return 2
        if not wanted or self._rest[1] != wanted:
            return 0
        return wanted + 2 if len(self._rest) >= wanted + 2 else None

    def _answered(self, answer: bytes) -> list[Reading]:
        asked, self._asked, self._silent = self._asked, b"", 0
        if answer[0] == 0xEE and answer[1] != WRITTEN:
            self.bad += 1
            self.why = f"it answers {STATUS.get(answer[1], f'status {answer[1]:02x}')}"
            return []
        if asked == POLL:
            return self._reading(answer[2:])
        self._set_up(asked, answer)
        return []

    def _set_up(self, asked: bytes, answer: bytes) -> None:
        del self._to_set_up[0]
        if asked == read(CHIP, 1) and answer[2] != CHIP_ID:
            self.why = f"its chip id is {answer[2]:02x}, a BNO055's is {CHIP_ID:02x}"
            self._begin_anew()
        elif asked == read(UNITS, 1):
            self._scales = scales(answer[2])
        elif asked == read(MODE, 1):
            self._choose_mode(answer[2] & 0x0F)
        elif asked == write(MODE, ACCEL_AND_GYRO):
            self._due_s = self._asked_s + SETTLE_S

    def _choose_mode(self, mode: int) -> None:
        if mode == CONFIGURING:
            self._to_set_up.append(write(MODE, ACCEL_AND_GYRO))
        elif mode not in MODES:
            self.why = f"its operation mode is {mode:02x}, which has no accelerometer or gyroscope"
            self._begin_anew()

    def _reading(self, data: bytes) -> list[Reading]:
        accel, gyro = _triple(data, 0), _triple(data, 12)
        reading = (*(v * self._scales[0] for v in accel), *(v * self._scales[1] for v in gyro))
        if not any(accel) or not in_range(reading):
            # It began anew and stands in CONFIGMODE, where all data are 0.
            self.bad += 1
            self.why = "it gives no acceleration: it may have begun anew"
            self._begin_anew()
            return []
        return [(*reading, self._asked_s * 1e6)]

    def _begin_anew(self) -> None:
        self._to_set_up = list(SET_UP)
        self._due_s = self._asked_s + ANSWER_S

    def _missed(self) -> None:
        self._asked = b""
        self.bad += 1
        self._silent += 1
        if self._silent >= MOST_SILENT:
            self._silent = 0
            self._to_set_up = list(SET_UP)


def scales(units: int) -> tuple[float, float]:
    """UNIT_SEL -> m/s2 per count of the accelerometer, rad/s per count of the gyroscope."""
    accel = G / 1000 if units & 1 else 1 / 100
    gyro = 1 / 900 if units & 2 else math.pi / 180 / 16
    return accel, gyro
