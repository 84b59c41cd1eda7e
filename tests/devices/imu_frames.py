"""What IMUs of several makers send, spelled after their manuals and apart from our parsers."""

from __future__ import annotations

import math
import os
import struct
import threading
import tty
from collections.abc import Sequence

VN_COMMON = 0x0121
"""TimeStartup, AngularRate, Accel of VectorNav's common group."""


def vectornav_crc(data: bytes) -> int:
    """The 16-bit CRC, line by line as UM001, section 3.8.3, has it in C."""
    crc = 0
    for byte in data:
        crc = ((crc >> 8) | (crc << 8)) & 0xFFFF
        crc ^= byte
        crc ^= (crc & 0xFF) >> 4
        crc = (crc ^ (crc << 12)) & 0xFFFF
        crc = (crc ^ ((crc & 0xFF) << 5)) & 0xFFFF
    return crc


def vnymr(values: Sequence[float], *, crc: bool = False) -> bytes:
    """$VNYMR: yaw pitch roll, magnetometer, acceleration, rate of turn."""
    accel = [f"{v:+07.3f}" for v in values[:3]]
    gyro = [f"{v:+010.6f}" for v in values[3:]]
    body = ",".join(["VNYMR,+010.000,+000.200,-000.300,-00.0049,-00.2449,+00.5397", *accel, *gyro])
    check = 0
    for byte in body.encode():
        check ^= byte
    told = f"{vectornav_crc(body.encode()):04X}" if crc else f"{check:02X}"
    return f"${body}*{told}\r\n".encode()


def vectornav_binary(values: Sequence[float], time_ns: int) -> bytes:
    """The common group with TimeStartup, AngularRate, Accel: gyroscope first."""
    body = struct.pack("<BHQ6f", 1, VN_COMMON, time_ns, *values[3:], *values[:3])
    return b"\xfa" + body + struct.pack(">H", vectornav_crc(body))


def mtdata2(*packets: tuple[int, bytes]) -> bytes:
    """An Xsens message of these packets."""
    data = b"".join(struct.pack(">HB", kind, len(value)) + value for kind, value in packets)
    size = bytes([len(data)]) if len(data) < 255 else struct.pack(">BH", 255, len(data))
    body = b"\xff\x36" + size + data
    return b"\xfa" + body + bytes([-sum(body) & 0xFF])


def xsens(values: Sequence[float], ticks: int, written: str = "float32") -> bytes:
    """SampleTimeFine, Acceleration, RateOfTurn, the numbers written in one of four ways."""
    form = {"float32": 0, "fp1220": 1, "fp1632": 2, "float64": 3}[written]
    time = (0x1060, struct.pack(">I", ticks & 0xFFFFFFFF))
    accel, gyro = (b"".join(_number(v, written) for v in part) for part in (values[:3], values[3:]))
    return mtdata2(time, (0x4020 | form, accel), (0x8020 | form, gyro))


def _number(value: float, written: str) -> bytes:
    if written == "float32":
        return struct.pack(">f", value)
    if written == "float64":
        return struct.pack(">d", value)
    if written == "fp1220":
        return round(value * (1 << 20)).to_bytes(4, "big", signed=True)
    whole = round(value * (1 << 32)).to_bytes(6, "big", signed=True)
    return whole[2:] + whole[:2]  # the fraction first


class Bno055Device:
    """A BNO055 behind a pty whose path is ``port``: its registers, and its UART protocol.

    A context manager. It wakes in CONFIGMODE, where all data are 0, as after a reset. ``overruns``:
    so many of the next reads of data are answered with EE 07; ``deaf``: with nothing.
    """

    def __init__(self, values: Sequence[float], units: int = 0x80, mode: int = 0) -> None:
        self.registers = bytearray(128)
        self.registers[0x00], self.registers[0x3B], self.registers[0x3D] = 0xA0, units, mode
        self.overruns = 0
        self.deaf = 0
        self.asked = 0
        self._values = values
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Bno055Device:
        os.set_blocking(self._master, False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def reset(self) -> None:
        """It loses power for a moment."""
        self.registers[0x3D] = 0

    def _serve(self) -> None:
        heard = b""
        while not self._ended.wait(0.001):
            try:
                heard += os.read(self._master, 64)
            except BlockingIOError:
                continue
            while len(heard) >= 4 and len(heard) >= (size := 4 + (heard[1] == 0) * heard[3]):
                command, heard = heard[:size], heard[size:]
                if answer := self._answer(command):
                    os.write(self._master, answer)

    def _answer(self, command: bytes) -> bytes:
        register, length = command[2], command[3]
        if command[0] != 0xAA:
            return b"\xee\x06"
        if command[1] == 0:
            self.registers[register : register + length] = command[4:]
            return b"\xee\x01"
        if register == 0x08:
            self.asked += 1
            if self.deaf:
                self.deaf -= 1
                return b""
            if self.overruns:
                self.overruns -= 1
                return b"\xee\x07"
            self._measure()
        return bytes([0xBB, length]) + bytes(self.registers[register : register + length])

    def _measure(self) -> None:
        units, on = self.registers[0x3B], self.registers[0x3D] != 0
        per_accel = 1000 / 9.80665 if units & 1 else 100
        per_gyro = 900 if units & 2 else 16 * 180 / math.pi
        accel = [round(v * per_accel) * on for v in self._values[:3]]
        gyro = [round(v * per_gyro) * on for v in self._values[3:]]
        self.registers[0x08:0x1A] = struct.pack("<9h", *accel, 1, 2, 3, *gyro)
