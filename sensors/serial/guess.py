"""What speaks on a serial port: found out by listening, never by asking.

At each usual baud rate a little is listened to; every protocol tries to read it. Gravity tells
which numbers are an acceleration, and in which unit. A device that must be asked (BNO055) stays
silent here: a question may mean something else to a device that is none.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from bindstream.imu import AXES, doubt
from sensors.serial.dialect import PROTOCOLS, dialect
from sensors.serial.parser import Parser
from sensors.serial.port import SerialPort

BAUDS = (115200, 9600, 921600, 460800, 230400, 57600)
"""The makers' defaults first."""
LISTEN_S = 0.6
LEAST_READINGS = 5
LINES = ("nmea", "json", "csv")
BINARY = tuple(p for p in PROTOCOLS if p not in (*LINES, "bno055"))
UNITS: tuple[dict[str, str], ...] = (
    {},
    {"accel_unit": "g", "gyro_unit": "deg/s"},
    {"accel_unit": "mg", "gyro_unit": "deg/s"},
    {"gyro_unit": "deg/s"},
)
"""Of numbers in lines. A gyroscope at rest does not tell its own: with g come degrees, usually."""
_SEPARATOR = re.compile(r"[,;\s]+")


def overheard(port: str) -> tuple[dict[str, Any] | None, str]:
    """The options of driver ``imu`` by which a port's readings are read, and None with what came
    instead in words. Takes ``LISTEN_S`` per baud rate. Raises DeviceUnavailable where the port
    cannot be opened."""
    heard = 0
    for baud in BAUDS:
        data = _listened(port, baud)
        heard += len(data)
        found = options_of(data)
        if found is not None:
            usual = {} if baud == BAUDS[0] else {"baud": baud}
            return {"port": port, **usual, **found}, ""
    if not heard:
        return None, "nothing comes from it (a BNO055 speaks when asked: protocol: bno055)"
    return None, f"{heard} bytes came that no protocol of ours reads"


def options_of(data: bytes) -> dict[str, Any] | None:
    """What of the driver's options makes readings of these bytes; None where nothing does. Pure."""
    for protocol in BINARY:
        if _fits(data, protocol=protocol):
            return {"protocol": protocol}
    for protocol in LINES:
        told: dict[str, Any] = {"protocol": protocol}
        columns = _columns(data, protocol)
        if tuple(columns) != AXES:
            told["columns"] = list(columns)
        for units in UNITS:
            if _fits(data, **told, **units):
                return told | units
    return None


def _listened(port: str, baud: int) -> bytes:
    line, data = SerialPort("init", port, baud), b""
    try:
        line.open()
        until_s = time.monotonic() + LISTEN_S
        while (left_s := until_s - time.monotonic()) > 0:
            data += line.take(left_s)
    finally:
        line.close()
    return data


def _columns(data: bytes, protocol: str) -> Sequence[str]:
    """Six numbers are the axes, and so are of more the six behind a time or a counter, which goes
    up from line to line. A JSON object's keys are as they are usually called."""
    rows = [] if protocol == "json" else _numbers(data)
    if not rows or len(rows[0]) <= len(AXES):
        return AXES
    table = np.array(rows)
    rises: list[bool] = np.all(np.diff(table, axis=0) > 0, axis=0).tolist()
    before = rises.index(False) if False in rises else 0
    after = table.shape[1] - len(AXES) - before
    if after < 0:
        return AXES
    extra = [f"x{n}" for n in range(before + after)]
    return (*extra[:before], *AXES, *extra[before:])


def _numbers(data: bytes) -> list[list[float]]:
    """Those of each whole line, as many as most lines have."""
    rows = []
    for line in data.split(b"\n")[1:-1]:
        text = line.decode("ascii", "replace").partition("*")[0].strip(" \r,;")
        fields = _SEPARATOR.split(text)
        if fields and fields[0].startswith(("$", "!")):
            del fields[0]
        with contextlib.suppress(ValueError):
            rows.append([float(field) for field in fields])
    usual = Counter(map(len, rows)).most_common(1)
    return [row for row in rows if usual and len(row) == usual[0][0]]


def _fits(data: bytes, **told: Any) -> bool:
    readings = _readings(data, **told)
    return len(readings) >= LEAST_READINGS and doubt(_signal(readings)) is None


def _readings(data: bytes, **told: Any) -> list[Sequence[float]]:
    settings: dict[str, Any] = {
        "columns": AXES, "time_column": None, "accel_unit": "m/s2", "gyro_unit": "rad/s",
        "time_unit": "us",
    }  # fmt: skip
    parser: Parser = dialect("init", **(settings | told)).parser()
    return list(parser.feed(data))


def _signal(readings: Sequence[Sequence[float]]) -> Any:
    return np.array(readings, np.float64)[:, :6].T
