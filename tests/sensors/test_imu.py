"""The serial IMU on a real (pseudo) terminal."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from bindstream.errors import ConfigError, DeviceLost, DeviceUnavailable, WrongFormat
from sensors.imu import SerialImu
from tests.devices.reading import first, read_for, read_until, until_lost
from tests.devices.serial_port import G, SerialDevice, csv_line, json_line, witmotion
from tests.patience import Stalls


@pytest.fixture
def opened(opens):
    """Opens IMUs."""
    return lambda device, **options: opens(SerialImu("imu", port=device.port, **options))


def turning(t):
    """A turn about x, once a second."""
    return (0.0, 0.0, G, math.sin(2 * math.pi * t), 0.0, 0.0)


def test_200_hz_arrive_whole_evenly_and_in_si(opened):
    """Breaks if readings are lost, jitter with their arrival, or carry other units."""
    with SerialDevice(200, turning) as device:
        imu = opened(device, rate_hz=200)
        written = len(device.written)
        samples = read_until(imu, lambda all_: len(all_) >= 400)
        device.mute = True
        samples += read_for(imu, 0.2)  # what was on its way
        written = len(device.written) - written
    assert abs(len(samples) - written) <= 5 + device.overflowed
    data = np.array([s.data for s in samples])
    assert data.dtype == np.float32
    assert data.shape[1] == 6
    assert np.allclose(data[:, 2], G, atol=0.01)
    assert np.abs(data[:, 3]).max() == pytest.approx(1.0, abs=0.02)
    if device.latest_s > 0.05 or device.overflowed:
        pytest.skip(f"the device itself was {device.latest_s:.2f} s late: the machine is too busy")
    gaps_ms = np.diff([s.t_ns for s in samples]) / 1e6
    assert gaps_ms.mean() == pytest.approx(5.0, rel=0.05)
    assert gaps_ms.min() > 2
    assert not any(imu.counters.values())


def test_a_jolt_is_stamped_within_the_documented_latency(opened):
    """Breaks if t_ns is a time of reading, or the count drifts off."""
    with SerialDevice(200) as device:
        imu = opened(device)
        read_for(imu, 0.5)
        with Stalls() as stalls:
            jolt_ns = time.time_ns()
            device.motion = lambda t: (30.0, 0, G, 0, 0, 0)
            jolted = first(imu, lambda s: s.data[0] > 20)
        late_ms = 1e3 * (device.latest_s + stalls.lost_s(jolt_ns))
        assert -15 - late_ms < (jolted.t_ns - jolt_ns) / 1e6 <= imu.latency_ms + late_ms


def test_damage_costs_readings_never_wrong_ones(opened):
    """Breaks if 10 % damaged readings end the stream, or one of them gets through."""
    with SerialDevice(200, damage=0.1) as device:
        imu = opened(device)
        before = len(device.written)
        samples = read_until(imu, lambda _: len(device.written) - before >= 400)
        written = len(device.written) - before
    assert 0.75 * written - device.overflowed < len(samples) < written
    assert all(np.allclose(s.data, (0, 0, G, 0, 0, 0), atol=0.01) for s in samples)
    assert imu.counters["bad"] > 10
    assert abs(samples[-1].arrival_ns - samples[-1].t_ns) < 100e6 + 1e9 * device.latest_s


@pytest.mark.parametrize(("protocol", "encode"), [("csv", csv_line), ("json", json_line)])
def test_lines(opened, protocol, encode):
    """Breaks if a sketch that prints lines cannot be an IMU."""
    with SerialDevice(100, turning, encode) as device:
        imu = opened(device, protocol=protocol, rate_hz=100)
        samples = read_until(imu, lambda all_: len(all_) > 35)
    assert np.allclose([s.data[2] for s in samples], G, atol=0.001)


def test_unplugged_while_it_runs_and_plugged_in_again(opened):
    """Breaks if a pulled cable blocks, is silent, or cannot be recovered from."""
    device = SerialDevice(200)
    with device:
        imu = opened(device)
        read_for(imu, 0.1)
        device.unplug()
        with pytest.raises(DeviceLost, match="is gone"):
            until_lost(imu)
        imu.close()
        with pytest.raises(DeviceUnavailable):
            imu.open(time.time_ns)


def test_silence_is_a_loss(opened):
    """Breaks if a device that hangs looks alive."""
    with SerialDevice(200) as device:
        imu = opened(device)
        device.mute = True
        with pytest.raises(DeviceLost, match="silent"):
            until_lost(imu)


def test_a_busy_port_is_said_to_be_busy(opened):
    """Breaks if two programs share the bytes of one IMU."""
    with SerialDevice(200) as device:
        opened(device)
        with pytest.raises(DeviceUnavailable, match="busy"):
            SerialImu("other", port=device.port).open(time.time_ns)


def test_absent_mute_and_foreign_devices_are_named(tmp_path):
    """Breaks if a wrong port, baud rate or protocol ends in silence."""
    with pytest.raises(DeviceUnavailable, match="absent"):
        SerialImu("imu", port="/dev/ttyUSB77").open(time.time_ns)
    (tmp_path / "file").write_text("no port")
    with pytest.raises(DeviceUnavailable, match="cannot be opened"):
        SerialImu("imu", port=str(tmp_path / "file")).open(time.time_ns)
    with SerialDevice(200, encode=csv_line) as device:
        imu = SerialImu("imu", port=device.port, protocol="witmotion")
        for _ in range(2):
            with pytest.raises(WrongFormat, match="no witmotion reading: check baud"):
                imu.open(time.time_ns)
        device.mute = True
        time.sleep(0.1)
        with pytest.raises(DeviceUnavailable, match="gave nothing"):
            imu.open(time.time_ns)


def test_a_wrong_rate_is_refused_and_named():
    """Breaks if a device at its factory rate of 10 Hz passes for 200."""
    with (
        SerialDevice(20) as device,
        pytest.raises(WrongFormat, match=r"wanted rate_hz 200, .* gives (19|2)"),
    ):
        SerialImu("imu", port=device.port, rate_hz=200).open(time.time_ns)


def test_a_wrong_unit_is_told_by_gravity():
    """Breaks if a sketch that prints g is read as m/s2."""
    in_g = SerialDevice(100, lambda t: (0, 0, 1.0, 0, 0, 0), csv_line)
    with in_g as device, pytest.raises(WrongFormat, match="seems to give g"):
        SerialImu("imu", port=device.port, protocol="csv").open(time.time_ns)
    in_si = SerialDevice(100, lambda t: (0, 0, G, 0, 0, 0), csv_line)
    with in_si as device, pytest.raises(WrongFormat, match="seems to give m/s2"):
        SerialImu("imu", port=device.port, protocol="csv", accel_unit="g").open(time.time_ns)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", ""),
        ("baud", 9600.0),
        ("baud", 7),
        ("protocol", "mavlink"),
        ("rate_hz", 0),
        ("accel_unit", "m"),
        ("gyro_unit", "rpm"),
        ("columns", ["ax"]),
        ("columns", "ax,ay,az,gx,gy,gz"),
        ("delay_ms", "1"),
    ],
)
def test_bad_options_are_named(key, value):
    """Breaks if `check` would let a value pass that cannot work."""
    with pytest.raises(ConfigError, match=f"'imu': option {key}"):
        SerialImu("imu", **{"port": "/dev/ttyUSB0", "protocol": "csv", key: value})


def test_the_test_device_speaks_as_the_data_sheet_says():
    """Breaks if device and parser are wrong in the same way."""
    frames = witmotion((0, 0, G, math.radians(1000), 0, 0))
    assert frames.hex(" ") == ("55 51 00 00 00 00 00 08 c4 09 7b 55 52 00 40 00 00 00 00 c4 09 b4")


def test_what_a_line_looked_like_is_in_the_error():
    """Breaks if a sketch with a time column ends in `check baud and protocol`."""
    with_time = SerialDevice(100, encode=lambda v: b"123," + csv_line(v))
    with with_time as device, pytest.raises(WrongFormat, match=r"'123,.*' has 7 columns"):
        SerialImu("imu", port=device.port, protocol="csv").open(time.time_ns)


def test_the_frame_that_a_witmotion_sensor_leaves_out_is_named():
    """Breaks if an output switched off in the vendor's tool looks like a wrong baud rate."""
    half = SerialDevice(100, encode=lambda v: witmotion(v)[:11])
    said = r"type 0x51 come, but none of 0x52 \(gyroscope\): switch"
    with half as device, pytest.raises(WrongFormat, match=said):
        SerialImu("imu", port=device.port).open(time.time_ns)


@pytest.mark.parametrize("felt", [1000.0, 0.5, 40.0])
def test_gravity_that_no_robot_feels_is_refused(felt):
    """Breaks if milli-g, or gravity taken off, passes at opening."""
    device = SerialDevice(100, lambda t: (0, 0, felt, 0, 0, 0), csv_line)
    with device as port, pytest.raises(WrongFormat, match="gravity would be"):
        SerialImu("imu", port=port.port, protocol="csv").open(time.time_ns)
