"""What speaks on a serial port, told by what it says; bytes as the devices send them."""

from __future__ import annotations

import math
import os
import time
import tty

import pytest

from bindstream.errors import DeviceUnavailable
from sensors.imu import SerialImu
from sensors.serial.guess import options_of, overheard
from sensors.serial.lines import xor
from tests.devices.serial_port import G, SerialDevice, at_rest, csv_line, json_line, witmotion

TILTED = (1.2, -0.7, 9.7, 0.01, 0.02, -0.01)


def stream(encode, count: int = 40) -> bytes:
    """Of a device that is heard in the middle of a reading."""
    return b"".join(encode(n) for n in range(count))[3:]


def in_g(_n: int) -> bytes:
    return csv_line([*(v / G for v in TILTED[:3]), *(math.degrees(v) for v in TILTED[3:])])


def sentence(_n: int) -> bytes:
    body = b"PIMU," + csv_line(TILTED).strip()
    return b"$" + body + b"*%02X\r\n" % xor(body)


@pytest.mark.parametrize(
    ("encode", "options"),
    [
        (lambda _: witmotion(TILTED), {"protocol": "witmotion"}),
        (lambda _: csv_line(TILTED), {"protocol": "csv"}),
        (lambda _: json_line(TILTED), {"protocol": "json"}),
        (in_g, {"protocol": "csv", "accel_unit": "g", "gyro_unit": "deg/s"}),
        (sentence, {"protocol": "nmea"}),
        (
            lambda n: b"%d.%02d," % (n // 100 + 7, n % 100) + csv_line(TILTED),
            {"protocol": "csv", "columns": ["x0", "ax", "ay", "az", "gx", "gy", "gz"]},
        ),
        (
            lambda _: csv_line(TILTED).strip() + b",21.5\r\n",
            {"protocol": "csv", "columns": ["ax", "ay", "az", "gx", "gy", "gz", "x0"]},
        ),
    ],
    ids=["witmotion", "csv", "json", "g", "nmea", "time first", "temperature last"],
)
def test_a_device_is_known_by_its_bytes(encode, options):
    """Breaks if a protocol is taken for another, units are not told by gravity, or a time or a
    temperature beside the six is taken for one of them."""
    found = options_of(stream(encode))
    assert found == options
    assert SerialImu("imu", port="/dev/ttyUSB0", **found)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        os.urandom(4000),
        b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n" * 30,
        b"hello world\n" * 50,
        stream(lambda _: csv_line((0, 0, 0, 0, 0, 0))),
        b"1,2\n3\n,,\n\xff\xfe,1,2,3,4,5,6\n" * 20,
    ],
    ids=["silence", "noise", "gps", "words", "no gravity", "ragged"],
)
def test_what_is_no_imu_is_not_taken_for_one(data):
    """Breaks if a GPS or a console becomes an IMU in somebody's configuration."""
    assert options_of(data) is None


def test_a_port_is_listened_to():
    """Breaks if the port is not opened, is left open, or its name gets lost."""
    with SerialDevice(100.0, at_rest, witmotion) as device:
        assert overheard(device.port) == ({"port": device.port, "protocol": "witmotion"}, "")
        imu = SerialImu("imu", port=device.port)
        imu.open(time.time_ns)
        imu.close()


def test_silence_and_nonsense_are_told(monkeypatch):
    """Breaks if a port with nothing behind it looks like one whose device is unknown."""
    monkeypatch.setattr("sensors.serial.guess.LISTEN_S", 0.05)
    leader, follower = os.openpty()
    tty.setraw(follower)
    try:
        found, why = overheard(os.ttyname(follower))
        assert found is None
        assert "nothing comes" in why
    finally:
        os.close(leader)
        os.close(follower)
    with SerialDevice(200.0, at_rest, lambda _: b"hello\n") as device:
        found, why = overheard(device.port)
        assert found is None
        assert "no protocol of ours" in why
    with pytest.raises(DeviceUnavailable, match="absent"):
        overheard("/dev/ttyUSB99")
