"""The RealSense driver on librealsense itself: its software device, and playback of its files."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bindstream.errors import ConfigError, DeviceLost, DeviceUnavailable, StreamEnded, WrongFormat

pytest.importorskip("pyrealsense2", reason="pip install bindstream-robot[realsense]")

from sensors import realsense_stream
from sensors.realsense import RealSense
from tests.devices.reading import played, read_for
from tests.devices.realsense import FX_PX, SoftwareCamera, record, scene


@pytest.fixture
def camera(monkeypatch):
    """A camera that is plugged in."""
    with SoftwareCamera() as running:
        monkeypatch.setattr(realsense_stream, "devices", lambda: [running.device])
        yield running


@pytest.fixture
def opened(opens):
    """Opens drivers on CLOCK_MONOTONIC."""
    return lambda **options: opens(RealSense("d", **options), time.monotonic_ns)


def until(driver, holds, seconds=20.0):
    """Read until something holds; what came."""
    samples, deadline_s = [], time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline_s:
        samples += driver.read(0.2)
    assert holds()
    return samples


def test_frames_are_metres_with_the_cameras_own_optics_and_clock(camera, opened):
    """Breaks if the camera's unit, focal length or baseline is not asked for, or stamps jitter with
    arrival: the camera's clock is even."""
    driver = opened(serial="0123", width=320, height=240, rate_hz=30)
    samples = read_for(driver, 2.0)
    assert len(samples) >= 20
    newest = samples[-1]
    assert newest.data.dtype == np.float32
    index = round((2.0 - float(newest.data[100, 100])) / 0.001)
    assert np.allclose(newest.data, scene(index) * 0.001, atol=1e-6)
    assert (newest.data[:10, :10] == 0).all()
    assert (newest.meta.fx_px, newest.meta.baseline_m) == (FX_PX, 0.05)
    taken_ms = np.array([(2.0 - float(s.data[100, 100])) * 1e3 * 1000 / 30 for s in samples])
    stamped_ms = np.array([s.t_ns for s in samples]) / 1e6
    errors_ms = np.diff(stamped_ms) - np.diff(taken_ms)
    assert np.percentile(np.abs(errors_ms), 90) < 2.0
    assert driver.counters["bad"] == 0


def test_a_unit_of_a_tenth_of_a_millimetre_is_read(monkeypatch, opened):
    """Breaks if counts are taken for millimetres whatever the camera says (D405: 0.1 mm)."""
    with SoftwareCamera(unit_m=0.0001) as near:
        monkeypatch.setattr(realsense_stream, "devices", lambda: [near.device])
        driver = opened()
        samples = until(driver, lambda: driver.counters["skipped"] >= 0)
        samples += read_for(driver, 0.5)
    assert 1.0 < float(samples[-1].data[100, 100]) <= 2.0


def test_the_newest_frame_wins(camera, opened):
    """Breaks if a reader that was away gets what waited: frames a second old."""
    driver = opened()
    read_for(driver, 0.5)
    time.sleep(1.0)
    (sample,) = driver.read(0.5)
    shown = round((2.0 - float(sample.data[100, 100])) / 0.001)
    given = max(index for index, at_s in camera.given if at_s * 1e9 <= sample.arrival_ns)
    assert given - shown <= 3
    assert driver.counters["skipped"] >= 20


def test_a_camera_that_is_silent_is_lost_and_one_that_is_frozen_is_stalled(camera, opened):
    """Breaks if a camera whose firmware hangs, or repeats its last picture, passes for live."""
    driver = opened()
    camera.frozen = True
    until(driver, lambda: driver.stalled != "")
    camera.frozen = False
    until(driver, lambda: driver.stalled == "")
    camera.mute = True
    with pytest.raises(DeviceLost, match="no frame for"):
        read_for(driver, 20.0)
    driver.close()
    camera.mute = False
    driver.open(time.monotonic_ns)
    assert read_for(driver, 0.5)


def test_what_the_camera_has_not_is_refused_with_what_it_has(camera):
    """Breaks if a profile that cannot be ends in librealsense's words."""
    with pytest.raises(
        WrongFormat, match=r"wanted 640xany at any Hz, the RealSense has 320x240 at"
    ):
        RealSense("d", width=640).open(time.time_ns)
    with pytest.raises(DeviceUnavailable, match="no RealSense 9 is plugged in; there are 0123"):
        RealSense("d", serial="9").open(time.time_ns)


def test_a_camera_without_a_baseline_asks_for_it(monkeypatch, opened):
    """Breaks if depth becomes disparity by a baseline that was guessed."""
    with SoftwareCamera(baseline_mm=None) as lidar:
        monkeypatch.setattr(realsense_stream, "devices", lambda: [lidar.device])
        with pytest.raises(WrongFormat, match="set baseline_m"):
            RealSense("d").open(time.time_ns)
        driver = opened(baseline_m=0.07)
        (sample, *_) = read_for(driver, 0.5)
    assert sample.meta.baseline_m == 0.07


def test_a_file_is_played_to_its_end(tmp_path):
    """Breaks if a recording of librealsense is no sensor, its unit is lost, or it begins anew when
    the stream is opened again."""
    path = record(tmp_path / "wall.db3", 40, unit_m=0.0005)
    driver = RealSense("d", file=str(path))
    samples = played(driver)
    assert len(samples) >= 30
    for sample in samples:
        index = round((2.0 - float(sample.data[100, 100])) / 0.001)
        assert np.allclose(sample.data, scene(index, 0.0005) * 0.0005, atol=1e-6)
    steps_ms = np.diff([sample.t_ns for sample in samples]) / 1e6
    assert np.median(steps_ms) == pytest.approx(1000 / 30, abs=3)
    with pytest.raises(StreamEnded):
        driver.open(time.time_ns)


def test_a_file_may_be_repeated(tmp_path, opened):
    """Breaks if loop: true ends with the file, or times go back at its beginning."""
    path = record(tmp_path / "wall.db3", 15)
    driver = opened(file=str(path), loop=True)
    samples = []
    deadline_s = time.monotonic() + 20
    while len(samples) < 40 and time.monotonic() < deadline_s:
        samples += driver.read(0.2)
    assert len(samples) >= 40
    times = [sample.t_ns for sample in samples]
    assert times == sorted(times)


def test_a_file_that_is_none_is_one_line(tmp_path):
    """Breaks if librealsense's own error ends `check` with a traceback."""
    with pytest.raises(DeviceUnavailable, match="'d': no file /nowhere"):
        RealSense("d", file="/nowhere.db3").open(time.time_ns)
    (tmp_path / "x.db3").write_text("hello")
    with pytest.raises(DeviceUnavailable, match="cannot be opened: Failed to open"):
        RealSense("d", file=str(tmp_path / "x.db3")).open(time.time_ns)


@pytest.mark.parametrize(
    "options", [{"serial": 7}, {"file": ""}, {"serial": "1", "file": "x"}, {"baseline_m": 0}]
)
def test_bad_options_are_named(options):
    """Breaks if `check` lets pass what no camera takes."""
    with pytest.raises(ConfigError, match=f"option {next(iter(options))}"):
        RealSense("d", **options)
