"""The pushed stream as a driver."""

from __future__ import annotations

import time

import msgspec
import numpy as np
import pytest

from bindstream.errors import ConfigError, DeviceUnavailable
from bindstream.feed import Feed, Header
from bindstream.types import DepthMeta, Modality
from sensors.push import GRAVITY_READINGS, JUDGED_EVERY, Push
from tests.patience import PATIENCE_S, until

OFFSET_NS = 777 * 10**9


@pytest.fixture(autouse=True)
def own_runtime_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / "run"))


def robot_clock():
    """A robot whose clock is not Unix time: monotonic plus an offset."""
    return time.monotonic_ns() + OFFSET_NS


def pushed(driver, feed, data, t_ns=None):
    """The sample that one push becomes."""
    until(lambda: feed.push(data, t_ns))
    (sample,) = driver.read(PATIENCE_S)
    return sample


def refused(driver, push):
    """One more that the driver will not have; whether it was refused."""
    before = driver.counters["rejected"]
    until(push)
    until(lambda: driver.read(0.1) or driver.counters["rejected"] > before)
    return driver.counters["rejected"] == before + 1


def test_a_push_is_stamped_on_the_robots_clock():
    """Breaks if the sender's wall clock leaks in, or the time in the queue counts."""
    driver = Push("cam", modality="vision")
    driver.open(robot_clock)
    with Feed("cam") as feed:
        begun_ns = robot_clock()
        until(lambda: feed.push(np.zeros((4, 4, 3), np.uint8)))
        pushed_ns = robot_clock()
        time.sleep(0.3)
        (sample,) = driver.read(PATIENCE_S)
        assert begun_ns - 10e6 < sample.t_ns < pushed_ns + 10e6
        assert sample.arrival_ns - sample.t_ns > 250e6
        assert pushed(driver, feed, np.zeros((4, 4, 3), np.uint8), t_ns=5).t_ns == 5
    driver.close()


def test_audio_is_stamped_at_its_first_sample():
    """Breaks if a chunk lies in the future by its own length."""
    driver = Push("mic", modality="audio")
    driver.open(robot_clock)
    with Feed("mic", "audio") as feed:
        begun_ns = robot_clock()
        sample = pushed(driver, feed, np.zeros(8000, np.float32))
        took_s = (robot_clock() - begun_ns) / 1e9
        assert 0.5 <= (sample.arrival_ns - sample.t_ns) / 1e9 < 0.51 + took_s
    driver.close()
    assert driver.rate_hz == 16_000
    assert driver.modality is Modality.AUDIO


def test_depth_carries_its_optics():
    """Breaks if pushed depth cannot become disparity."""
    driver = Push("d", modality="depth", fx_px=400, baseline_m=0.06)
    driver.open(robot_clock)
    with Feed("d", "depth") as feed:
        assert pushed(driver, feed, np.ones((3, 3))).meta == DepthMeta(400.0, 0.06)
    driver.close()
    with pytest.raises(ConfigError, match="option fx_px"):
        Push("d", modality="depth")


def test_pushed_gravity_must_be_gravity():
    """Breaks if a pushed IMU in g passes for m/s2 (its z-scores hide it), or no word says so."""
    driver = Push("i", modality="imu")
    driver.open(robot_clock)
    with Feed("i", "imu") as feed:
        in_g = [0, 0, 1.0, 0, 0, 0]
        for _ in range(GRAVITY_READINGS - 1):
            pushed(driver, feed, in_g)
        assert refused(driver, lambda: feed.push(in_g))
        assert "the device seems to give g" in driver.why
        assert driver.counters["rejected"] == 1
        for _ in range(GRAVITY_READINGS + JUDGED_EVERY):
            until(lambda: feed.push([0, 0, 9.8, 0, 0, 0]))
            driver.read(2.0)
        assert pushed(driver, feed, [0, 0, 9.8, 0, 0, 0]).data[2] == pytest.approx(9.8)
        assert driver.why == ""
    driver.close()


def test_what_is_refused_says_why_until_it_is_right():
    """Breaks if a program that checks nothing pushes nonsense and the stream only stays empty."""
    driver = Push("t", modality="thermal")
    driver.open(robot_clock)
    header = Header(v=1, modality="thermal", dtype="<f4", shape=(4, 4), t_ns=None, sent_ns=0)
    cases = {np.inf: "wanted finite numbers", 22.5: "these seem to be Celsius"}
    with Feed("t", "thermal") as feed:
        for value, said in cases.items():
            frame = np.full((4, 4), value, np.float32)
            parts = [msgspec.msgpack.encode(header), frame.data]
            assert refused(driver, lambda parts=parts: feed._send(parts))
            assert "what is pushed is refused: thermal:" in driver.why
            assert said in driver.why
        pushed(driver, feed, np.full((4, 4), 300.0))
        assert driver.why == ""
        assert driver.counters["rejected"] == 2
    driver.close()


def test_one_driver_per_name_and_the_name_is_released():
    """Breaks if two streams share the frames, or closing keeps the name."""
    first, second = Push("p", modality="imu"), Push("p", modality="imu")
    first.open(robot_clock)
    with pytest.raises(DeviceUnavailable, match="busy"):
        second.open(robot_clock)
    first.close()
    second.open(robot_clock)
    assert second.read(0.01) == []
    second.close()


def test_bad_options_are_named():
    """Breaks if `check` would let them pass."""
    with pytest.raises(ConfigError, match="modality"):
        Push("p", modality="smell")
    with pytest.raises(ConfigError, match="option rate_hz"):
        Push("p", modality="imu", rate_hz=-1)
