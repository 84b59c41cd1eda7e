"""When an IMU's readings were taken: through stalls of the reader, losses, and its own clock."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bindstream.errors import ConfigError, WrongFormat
from bindstream.formats import Motion
from bindstream.types import Modality, Window
from pipeline.windows.windower import make_windower
from sensors.device_clock import DeviceClock
from sensors.imu import SerialImu
from tests.devices.reading import read_for
from tests.devices.serial_port import G, SerialDevice
from tests.pipeline.messages import of

S = 1_000_000_000


def telling_time(t):
    """A turn whose rate is the time, so that each reading tells when it was taken."""
    return (0.0, 0.0, G, 0.0, 0.0, t)


def timed_line(scale, wrap=None):
    """A line whose first column is the device's own time."""

    def encode(values):
        ticks = round(values[5] * scale)
        told = ticks % wrap if wrap else ticks
        return (f"{told}," + ",".join(f"{v:.5f}" for v in values) + "\r\n").encode()

    return encode


def csv_time(values):
    """A line with enough digits for the time."""
    return (",".join(f"{v:.5f}" for v in values) + "\r\n").encode()


@pytest.fixture
def opened(opens):
    """Opens IMUs on CLOCK_MONOTONIC."""

    def open_one(device, **options):
        return opens(
            SerialImu("imu", port=device.port, **{"protocol": "csv", **options}), time.monotonic_ns
        )

    return open_one


def errors_ms(device, samples):
    """Stamp minus truth of each."""
    return np.array([s.t_ns / 1e6 - (device.start_s + float(s.data[5])) * 1e3 for s in samples])


@pytest.mark.parametrize("rate_hz", [200, 400, 1000])
def test_a_reader_that_was_away_loses_and_bends_nothing(opened, rate_hz):
    """Breaks if a backlog, which a tty gives 4,095 bytes at a time, is taken for a loss: stamps
    jump ahead, then back."""
    with SerialDevice(rate_hz, telling_time) as device:
        imu = opened(device, rate_hz=rate_hz, protocol="witmotion")
        samples = read_for(imu, 1.0)
        for _ in range(3):
            time.sleep(0.6)
            samples += read_for(imu, 0.6)
    told = np.array([s.data[5] for s in samples])
    stamps = np.array([s.t_ns for s in samples])
    due = round((told[-1] - told[0]) * rate_hz) + 1
    assert due - len(samples) <= 2 + device.overflowed  # the unit tells no more than 1 ms
    if device.latest_s > 0.05 or device.overflowed:
        pytest.skip(f"the device itself was {device.latest_s:.2f} s late: the machine is too busy")
    assert np.diff(stamps).min() > 0
    assert imu.counters["jumps"] == 0
    assert np.diff(stamps).max() < 3 * S / rate_hz
    assert np.ptp(errors_ms(device, samples)) < 110


def test_two_lost_readings_are_noticed_and_stated(opened):
    """Breaks if a gap of 30 ms is smeared over ten seconds, with nothing missing."""
    with SerialDevice(100, telling_time, csv_time) as device:
        imu = opened(device, rate_hz=100)
        samples = read_for(imu, 4.0)
        before = float(np.median(errors_ms(device, samples[-100:])))
        device.lose = 2
        samples += read_for(imu, 4.0)
    if device.latest_s > 0.02:
        pytest.skip(f"the device itself was {device.latest_s:.2f} s late: the machine is too busy")
    after = errors_ms(device, samples[-100:])
    assert abs(np.median(after) - before) < 8
    assert imu.counters["jumps"] == 1
    gaps = np.diff([s.t_ns for s in samples]) / 1e7
    assert gaps.max() == pytest.approx(3, abs=0.5)
    cuts = windows(samples, 100)
    assert max(c.n_missing for c in cuts) == 2
    assert cuts[0].n_missing == 0


def windows(samples, rate_hz, length_s=2.0):
    """What the windower makes of them."""
    form = Motion(length_s=length_s, steps=2000)
    windower = make_windower(of(Modality.IMU), form, hop_s=0.5, rate_hz=rate_hz)
    outcomes = [o for s in samples for o in windower.push(s)]
    return [o for o in outcomes if isinstance(o, Window)]


@pytest.mark.parametrize(
    ("unit", "scale", "wrap"),
    [("us", 1e6, None), ("ms", 1e3, 65_536), ("count", 100, 256)],
)
def test_the_devices_own_time_tells_every_loss(opened, unit, scale, wrap):
    """Breaks if the time that a device prints is thrown away, or its wrap is a loss."""
    columns = ["t", "ax", "ay", "az", "gx", "gy", "gz"]
    encode = timed_line(scale, wrap)
    with SerialDevice(100, telling_time, encode) as device:
        options = {"columns": columns, "time_column": "t", "time_unit": unit}
        imu = opened(device, rate_hz=100, **options)
        samples = read_for(imu, 1.0)
        for lost in (1, 2, 5):
            device.lose = lost
            samples += read_for(imu, 0.7)
        time.sleep(0.6)
        samples += read_for(imu, 1.0)
    told = np.array([s.data[5] for s in samples])
    stamps = np.array([s.t_ns for s in samples]) / 1e9
    assert np.abs(np.diff(stamps) - np.diff(told)).max() < 0.005  # each gap, where it was
    assert imu.counters["jumps"] == 0
    missing = round((told[-1] - told[0]) * 100) + 1 - len(told)
    assert missing == 8 + device.overflowed
    assert np.ptp(errors_ms(device, samples)) < 60 + 1e3 * device.latest_s


def test_a_device_that_starts_anew_goes_on():
    """Breaks if a device's clock that begins again at zero sends time back."""
    clock = DeviceClock(100.0, "ms", 0.2)
    stamps = []
    for index in range(600):
        device_ms = index * 10.0 if index < 300 else (index - 300) * 10.0
        stamps += clock.stamp([device_ms], 1000 * S + index * 10_000_000)
    assert clock.resets == 1
    assert np.diff(stamps).min() > 0
    assert abs(stamps[-1] - (1000 * S + 599 * 10_000_000)) < 20e6


def test_a_time_that_stands_still_is_refused():
    """Breaks if seconds at 100 Hz place a hundred readings at one time."""
    columns = ["t", "ax", "ay", "az", "gx", "gy", "gz"]
    with SerialDevice(100, telling_time, timed_line(0.01)) as device:
        imu = SerialImu(
            "imu", port=device.port, protocol="csv", columns=columns, time_column="t", time_unit="s"
        )
        with pytest.raises(WrongFormat, match=r"time_column t moved .* too coarse"):
            imu.open(time.time_ns)


@pytest.mark.parametrize("column", ["when", "ax", 3])
def test_a_time_column_that_is_none_is_named(column):
    """Breaks if `check` lets it pass."""
    with pytest.raises(ConfigError, match="'imu': option time_column"):
        SerialImu("imu", port="/dev/ttyUSB0", protocol="csv", time_column=column)


def test_a_real_loss_while_the_reader_waits_is_told(opened):
    """Breaks if a pause of the device is taken for a backlog, and all later stamps are early."""
    with SerialDevice(100, telling_time, csv_time) as device:
        imu = opened(device, rate_hz=100)
        samples = read_for(imu, 1.0)
        device.lose = 60
        samples += read_for(imu, 2.0)
    assert imu.counters["jumps"] >= 1
    assert np.abs(errors_ms(device, samples)).max() < 60 + 1e3 * device.latest_s
