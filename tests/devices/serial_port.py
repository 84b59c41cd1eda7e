"""An IMU on a serial port: a pseudo terminal, written by a thread at a steady rate."""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import struct
import threading
import time
import tty
from collections.abc import Callable, Sequence

Motion = Callable[[float], Sequence[float]]
"""Seconds since the start -> ax, ay, az in m/s2, gx, gy, gz in rad/s."""

G = 9.80665


def at_rest(_: float) -> Sequence[float]:
    """Gravity alone."""
    return (0.0, 0.0, G, 0.0, 0.0, 0.0)


def witmotion(values: Sequence[float]) -> bytes:
    """The two frames (accelerometer, gyroscope) of one reading, as a WT901 sends them."""
    accel = [v / (16 * G) * 32768 for v in values[:3]]
    gyro = [math.degrees(v) / 2000 * 32768 for v in values[3:]]
    return _frame(0x51, accel) + _frame(0x52, gyro)


def csv_line(values: Sequence[float]) -> bytes:
    """Comma-separated m/s2 and rad/s."""
    return (",".join(f"{v:.5f}" for v in values) + "\r\n").encode()


def json_line(values: Sequence[float]) -> bytes:
    """One JSON object, m/s2 and rad/s."""
    names = ("ax", "ay", "az", "gx", "gy", "gz")
    return (json.dumps(dict(zip(names, values, strict=True))) + "\n").encode()


def _frame(kind: int, values: Sequence[float]) -> bytes:
    counts = [max(-32768, min(32767, round(v))) for v in values]
    body = struct.pack("<BB4h", 0x55, kind, *counts, 2500)
    return body + bytes([sum(body) & 0xFF])


class SerialDevice:
    """Writes ``encode(motion(t))`` at ``rate_hz`` to a pty whose path is ``port``.

    A context manager. ``burst``: so many readings are written together, as an FTDI chip sends them
    whose latency timer is long. ``damage``: the share of readings in which a byte is flipped, cut
    or added. ``motion`` may be replaced at any time; ``mute`` stops writing; ``lose`` so many of
    the next readings are not written; ``unplug`` ends the device. ``written`` holds the
    monotonic_ns of each reading, ``start_s`` the monotonic time of the motion's t = 0. Of a busy
    machine tell ``latest_s``, how late the worst reading was written, and ``overflowed``: what did
    not fit.
    """

    def __init__(
        self,
        rate_hz: float = 200.0,
        motion: Motion = at_rest,
        encode: Callable[[Sequence[float]], bytes] = witmotion,
        damage: float = 0.0,
        burst: int = 1,
    ) -> None:
        self.motion = motion
        self.mute = False
        self.lose = 0
        self.start_s = 0.0
        self.overflowed = 0
        self.latest_s = 0.0
        self.written: list[int] = []
        self._rate_hz = rate_hz
        self._encode = encode
        self._damage = damage
        self._burst = burst
        self._waiting: list[bytes] = []
        self._random = random.Random(1)
        self._ended = threading.Event()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> SerialDevice:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        """The device is gone: its readers get an error."""
        self._ended.set()
        self._thread.join()
        for end in (self._master, self._slave):
            if end >= 0:
                os.close(end)
        self._master = self._slave = -1

    def _write(self) -> None:
        start_s, index = time.monotonic(), 0
        self.start_s = start_s
        while not self._ended.wait(max(0.0, start_s + index / self._rate_hz - time.monotonic())):
            if self.lose > 0:
                self.lose -= 1
            elif not self.mute:
                late_s = time.monotonic() - start_s - index / self._rate_hz
                self.latest_s = max(self.latest_s, late_s)
                reading = self._encode(self.motion(index / self._rate_hz))
                self.written.append(time.monotonic_ns())
                self._waiting.append(self._harm(reading))
            if len(self._waiting) >= self._burst:
                self._put(b"".join(self._waiting))
                self._waiting = []
            index += 1

    def _put(self, data: bytes) -> None:
        written = 0
        with contextlib.suppress(BlockingIOError):  # nobody reads: a real port loses it, too
            written = os.write(self._master, data)
        self.overflowed += written < len(data)

    def _harm(self, data: bytes) -> bytes:
        if self._random.random() >= self._damage:
            return data
        at = self._random.randrange(len(data))
        flipped = bytes([data[at] ^ 1 << self._random.randrange(8)])
        return (
            data[:at]
            + self._random.choice([flipped, b"", data[at : at + 1] + b"\x55\x99"])
            + (data[at + 1 :])
        )
