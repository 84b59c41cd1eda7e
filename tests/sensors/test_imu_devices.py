"""IMUs of several makers on a real (pseudo) terminal: asked, in bursts, turned, at odd times."""

from __future__ import annotations

import functools
import itertools
import operator
import time

import numpy as np
import pytest

from bindstream.errors import ConfigError, WrongFormat
from bindstream.formats import Motion
from bindstream.types import Modality, Window
from pipeline.windows.windower import make_windower
from sensors.device_clock import DeviceClock
from sensors.imu import SerialImu
from sensors.mounting import rotation, turned
from sensors.serial import usb
from tests.devices.imu_frames import Bno055Device, vectornav_binary, vnymr, xsens
from tests.devices.reading import first, read_for, read_until
from tests.devices.serial_port import G, SerialDevice
from tests.patience import Stalls
from tests.pipeline.messages import of

S = 1_000_000_000
PERIOD_MS = 2.5


def telling_time(t):
    """A turn whose rate is the time, so that each reading tells when it was taken."""
    return (0.0, 0.0, G, 0.0, 0.0, t)


def xsens_from(first_ticks):
    """An Xsens whose SampleTimeFine begins so."""
    return lambda values: xsens(values, first_ticks + round(values[5] * 1e4))


def vectornav(values):
    """A VectorNav whose TimeStartup is the time told."""
    return vectornav_binary(values, round(values[5] * 1e9))


@pytest.fixture
def opened(opens):
    """Opens IMUs on CLOCK_MONOTONIC."""

    def open_one(device, **options):
        return opens(SerialImu("imu", port=device.port, **options), time.monotonic_ns)

    return open_one


@pytest.mark.parametrize(
    ("protocol", "encode"),
    [
        ("xsens", xsens_from((1 << 32) - 20_000)),  # its 32 bits wrap after two seconds
        ("vectornav_binary", vectornav),
        ("vectornav", vnymr),  # no time of its own: the count alone
    ],
)
@pytest.mark.parametrize("burst", [1, 16])
def test_400_hz_come_whole_and_evenly_also_in_bursts(opened, protocol, encode, burst):
    """Breaks if stamps jitter with arrival, which in bursts of 16 is 37 ms late, or if a clock that
    wraps is a loss: 0.2 ms is the 99th percentile of the error of spacing that is allowed."""
    with SerialDevice(400, telling_time, encode, burst=burst) as device:
        imu = opened(device, protocol=protocol, rate_hz=400)
        samples = read_for(imu, 3.0)
        late_s, overflowed = device.latest_s, device.overflowed
    told = np.array([sample.data[5] for sample in samples], np.float64)
    due = round((told[-1] - told[0]) * 400) + 1
    # What did not fit into the terminal was cut, and a cut reading may take another along.
    assert due - (burst + 1) * overflowed <= len(samples) <= due
    assert imu.counters["odd_times"] == 0
    if overflowed or (protocol == "vectornav" and late_s > 0.05):
        pytest.skip(f"the device itself was {late_s:.2f} s late: the machine is too busy")
    steps_ms = np.diff([sample.t_ns for sample in samples]) / 1e6
    errors_ms = np.abs(steps_ms - np.rint(np.diff(told) * 400) * PERIOD_MS)
    assert np.percentile(errors_ms, 99) <= 0.2
    assert imu.counters["jumps"] == 0
    assert imu.counters["bad"] == 0


def test_a_bno055_is_asked_at_the_rate_wanted_and_survives_its_faults(opened):
    """Breaks if the device, which says nothing unasked, gives nothing; or an overrun, a lost answer
    or a reset ends it, or becomes motion."""
    with Stalls() as stalls, Bno055Device((0.0, 3.0, 9.0, 0.5, 0.0, -0.25)) as device:
        imu = opened(device, protocol="bno055", rate_hz=50)
        samples = read_for(imu, 1.0)
        device.overruns, device.deaf = 2, 1
        samples += read_for(imu, 1.0)
        device.reset()
        samples += read_until(imu, lambda all_: len(all_) >= 10)
        asked = device.asked
    values = np.array([sample.data for sample in samples])
    assert np.abs(values - (0.0, 3.0, 9.0, 0.5, 0.0, -0.25)).max() < 0.01
    assert imu.counters["bad"] >= 3
    assert len(samples) <= asked
    times = [sample.t_ns for sample in samples]
    assert times == sorted(times)
    assert 0 < np.median(np.diff(times)) / 1e6 < 40 + 1e3 * stalls.worst_s()


def test_a_silent_bno055_says_what_to_look_at():
    """Breaks if a device in I2C mode is a mere silence."""
    with (
        SerialDevice(10, encode=lambda _: b"\x00") as device,
        pytest.raises(WrongFormat, match="check baud"),
    ):
        SerialImu("imu", port=device.port, protocol="bno055").open(time.time_ns)


@pytest.mark.parametrize(
    "mounting",
    [
        {"rpy_deg": [180, 0, 90]},
        # By hand: Rz(90) Rx(180) = a half turn about (1, 1, 0).
        {"quaternion": [0.0, np.sqrt(0.5), np.sqrt(0.5), 0.0]},
    ],
)
def test_a_mounting_turns_both_sensors_into_the_robots_axes(opened, mounting):
    """Breaks if z down stays z down, a rotation is applied the wrong way round, or to one half."""
    with SerialDevice(100, lambda _: (1.0, 2.0, -9.0, 0.1, 0.2, 0.3), vnymr) as device:
        imu = opened(device, protocol="vectornav", mounting=mounting)
        samples = [first(imu)]
    assert samples[0].data.dtype == np.float32
    # About x by 180: (1, -2, 9); about z by 90: (2, 1, 9).
    assert samples[0].data == pytest.approx([2.0, 1.0, 9.0, 0.2, 0.1, -0.3], abs=1e-5)


@pytest.mark.parametrize(
    "mounting",
    [[0, 0, 90], {"rpy": [0, 0, 0]}, {"rpy_deg": [0, 0]}, {"quaternion": [1, 1, 0, 0]},
     {"rpy_deg": [0, 0, "x"]}, {"rpy_deg": [0, 0, 0], "quaternion": [1, 0, 0, 0]}, 3],
)  # fmt: skip
def test_a_mounting_that_is_none_is_refused(mounting):
    """Breaks if `check` lets a rotation pass that would bend every reading."""
    with pytest.raises(ConfigError, match="stream 'imu': option mounting"):
        SerialImu("imu", port="/dev/ttyUSB0", mounting=mounting)


def test_a_rotation_keeps_lengths():
    """Breaks if a rotation is none."""
    turn = rotation("imu", {"rpy_deg": [31, -72, 144]})
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1.0)
    about_z = rotation("imu", {"rpy_deg": [0, 0, 30]})
    half = np.radians(15)
    assert np.allclose(about_z, rotation("imu", {"quaternion": [np.cos(half), 0, 0, np.sin(half)]}))
    assert np.allclose(turned((1, 2, 3, 4, 5, 6, 99), None), [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize("option", [{"sentence": "PIMU"}, {"time_column": "t"}])
def test_an_option_of_another_protocol_is_refused(option):
    """Breaks if an option is taken and does nothing."""
    with pytest.raises(ConfigError, match=f"'imu': option {next(iter(option))}"):
        SerialImu("imu", port="/dev/ttyUSB0", protocol="xsens", **option)


def stamps_of(times_us, late_ms=2.0, rate_hz=400.0):
    """What the clock makes of readings that come evenly, whatever they say: errors in ms."""
    clock, stamps = DeviceClock(rate_hz, "us", 0.2), []
    for n, time_us in enumerate(times_us):
        arrival_ns = 1000 * S + round((n / rate_hz + late_ms / 1e3) * S)
        stamps += clock.stamp([time_us], arrival_ns)
    true_ns = 1000 * S + np.arange(len(stamps)) / rate_hz * S
    return clock, (np.array(stamps) - true_ns) / 1e6 - late_ms


def test_a_clock_of_32_bits_of_microseconds_may_wrap():
    """Breaks if a window is lost every 71 minutes."""
    times = [(2**32 - 5_000_000 + n * 2500) % 2**32 for n in range(4000)]
    clock, errors_ms = stamps_of(times)
    assert (clock.odd, clock.resets, clock.jumps) == (0, 0, 0)
    assert np.abs(errors_ms).max() < 0.5


@pytest.mark.parametrize("wrong", [0, 4_000_000_000, 12_500_000 + 700_000, 1])
@pytest.mark.parametrize("run", [1, 3])
def test_times_that_cannot_be_are_counted_and_cost_nothing(wrong, run):
    """Breaks if a stamp of 0, or from the future, moves the readings around it or what follows."""
    times = [float(7_500_000 + n * 2500) for n in range(4000)]
    times[2000 : 2000 + run] = [float(wrong)] * run
    clock, errors_ms = stamps_of(times)
    assert clock.odd == run
    assert clock.resets == 0
    assert np.abs(errors_ms).max() < 0.5
    assert np.diff(errors_ms).min() > -PERIOD_MS


def test_a_clock_set_forward_and_back_is_followed():
    """Breaks if a device that takes its time from GPS, a day on, is refused for ever."""
    times = [n * 2500.0 + (86_400e6 if 1000 <= n < 3000 else 0.0) for n in range(4000)]
    clock, errors_ms = stamps_of(times)
    assert (clock.odd, clock.resets) == (2, 2)
    assert np.abs(errors_ms).max() < 0.5


def test_a_clock_that_stops_is_passed_over():
    """Breaks if all later readings stand at one time."""
    times = [min(n, 2000) * 2500.0 for n in range(4000)]
    clock, errors_ms = stamps_of(times)
    assert clock.odd > 1900
    assert np.abs(errors_ms[-400:]).max() < 60


def test_a_device_that_repeats_its_last_reading_is_stalled(opened):
    """Breaks if a board whose sensor hangs on its bus, and prints the last values for ever, passes
    for live; or a device at rest, whose numbers move by its noise, for frozen."""
    noisy = itertools.cycle([9.80, 9.81, 9.79])
    with SerialDevice(200, lambda _: (0.0, 0.0, next(noisy), 0.0, 0.0, 0.0)) as device:
        imu = opened(device)
        read_for(imu, 1.0)
        assert (imu.stalled, imu.counters["stale"]) == ("", 0)
        device.motion = lambda _: (0.0, 0.0, 9.81, 0.0, 0.0, 0.0)
        deadline_s = time.monotonic() + 20
        while not imu.stalled and time.monotonic() < deadline_s:
            imu.read(0.1)
        assert "one and the same reading for" in imu.stalled
        device.motion = lambda _: (0.0, 0.0, next(noisy), 0.0, 0.0, 0.0)
        while imu.stalled and time.monotonic() < deadline_s:
            imu.read(0.1)
    assert imu.stalled == ""


def test_stamps_of_zero_and_from_the_future_cost_no_window(opened):
    """Breaks if one wrong stamp in a hundred readings makes a gap, or readings that go back and are
    dropped: each window must be whole."""
    wrong = itertools.cycle([0, 0xFFFFFFF0])

    def encode(values):
        n = round(values[5] * 400)
        return xsens(values, next(wrong) if n % 100 == 50 else 10_000_000 + n * 25)

    with SerialDevice(400, telling_time, encode) as device:
        imu = opened(device, protocol="xsens", rate_hz=400)
        samples = read_for(imu, 4.0)
        overflowed = device.overflowed
    assert imu.counters["odd_times"] >= 8
    assert np.diff([sample.t_ns for sample in samples]).min() > 0
    form = Motion(length_s=1.0, steps=2000)
    windower = make_windower(of(Modality.IMU), form, hop_s=0.25, rate_hz=400)
    outcomes = [outcome for sample in samples for outcome in windower.push(sample)]
    cut = [outcome for outcome in outcomes if isinstance(outcome, Window)]
    assert len(cut) >= 8
    assert len(cut) == len(outcomes)
    assert max(window.n_missing for window in cut) <= 2 * overflowed


def test_sentences_with_a_time_tell_each_loss(opened):
    """Breaks if the column of a sentence's own time is not its clock."""

    def encode(values):
        body = "PIMU," + ",".join([f"{round(values[5] * 1e3)}", *(f"{v:.5f}" for v in values)])
        check = functools.reduce(operator.xor, body.encode())
        return f"${body}*{check:02X}\r\n".encode()

    with SerialDevice(100, telling_time, encode) as device:
        columns = ["t", "ax", "ay", "az", "gx", "gy", "gz"]
        imu = opened(
            device, protocol="nmea", sentence="PIMU", columns=columns, time_column="t",
            time_unit="ms", rate_hz=100,
        )  # fmt: skip
        samples = read_for(imu, 0.6)
        device.lose = 3
        samples += read_for(imu, 0.6)
    told, stamps = (
        np.array(x) for x in zip(*((s.data[5], s.t_ns / 1e9) for s in samples), strict=True)
    )
    assert np.abs(np.diff(stamps) - np.diff(told)).max() < 0.005
    assert np.diff(stamps).max() == pytest.approx(0.04, abs=0.005)


def chip(root, name, timer_ms):
    """The tree of /sys for an FTDI chip."""
    folder = root / "sys/bus/usb-serial/devices" / name
    folder.mkdir(parents=True)
    (folder / "latency_timer").write_text(f"{timer_ms}\n")


def test_a_latency_timer_above_a_millisecond_is_warned_of(tmp_path, monkeypatch):
    """Breaks if readings in bursts of 16 ms go without a word, or a port behind a link of
    /dev/serial/by-id is not looked up; or another port is warned of."""
    chip(tmp_path, "ttyUSB3", 16)
    chip(tmp_path, "ttyUSB4", 1)
    link = tmp_path / "by-id"
    link.symlink_to("/dev/ttyUSB3")
    assert usb.latency_ms("/dev/ttyUSB3", tmp_path) == 16
    assert usb.latency_ms("/dev/ttyACM0", tmp_path) is None
    monkeypatch.setattr(usb, "SYSTEM", tmp_path)
    (said,) = SerialImu("imu", port=str(link)).warnings
    assert "stream 'imu'" in said
    assert "for 16 ms" in said
    assert "devices/ttyUSB3/latency_timer" in said
    assert SerialImu("imu", port="/dev/ttyUSB4").warnings == []
    assert SerialImu("imu", port="/dev/ttyUSB5").warnings == []
