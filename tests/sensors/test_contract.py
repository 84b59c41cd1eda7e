"""What every driver of the table promises, tried on a real device and on one that is absent."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bindstream.errors import ConfigError, DeviceLost, DeviceUnavailable
from bindstream.extras import install_command
from bindstream.types import SENSED, Modality
from sensors import DRIVERS, load
from tests.devices import rigs
from tests.patience import PATIENCE_S, Stalls

SHAPES = {
    Modality.VISION: (np.uint8, 3),
    Modality.AUDIO: (np.float32, 1),
    Modality.DEPTH: (np.float32, 2),
    Modality.THERMAL: (np.float32, 2),
    Modality.IMU: (np.float32, 1),
}


@pytest.fixture(params=sorted(DRIVERS))
def name(request, tmp_path, monkeypatch):
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / "run"))
    if request.param == "microphone":
        request.applymarker(pytest.mark.daemon)
    if request.param == "realsense":
        pytest.importorskip("pyrealsense2")
    return request.param


def robot_clock():
    """A robot's clock that is not this machine's wall clock."""
    return time.monotonic_ns() + rigs.OFFSET_NS


def open_files():
    """What this process holds open, but for the listing itself."""
    found = {path.resolve() for path in Path("/proc/self/fd").iterdir()}
    return {path for path in found if not path.name.isdigit()}


def settle(what, seconds=PATIENCE_S):
    """Give a library's own threads time to end."""
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    return what()


def read_some(driver, serve, n=3, seconds=PATIENCE_S):
    """At least n samples."""
    samples, deadline = [], time.monotonic() + seconds
    while len(samples) < n and time.monotonic() < deadline:
        serve()
        samples += driver.read(0.2)
    return samples


def test_options_are_keywords_and_the_constructor_touches_nothing(name, tmp_path):
    """Breaks if `check --no-devices` opens a device, or a driver starts a thread of its own."""
    driver_class = load(name)
    parameters = list(inspect.signature(driver_class).parameters.values())
    assert parameters[0].name == "stream"
    assert {p.kind for p in parameters[1:]} == {inspect.Parameter.KEYWORD_ONLY}
    options = rigs.absent(name) or {"modality": "vision"}
    files, threads = open_files(), threading.active_count()
    driver = driver_class("eye", **options)
    assert open_files() <= files  # what other tests left may be closed meanwhile
    assert threading.active_count() <= threads
    assert driver.modality in SENSED
    assert driver.rate_hz >= 0
    assert driver.latency_ms >= 0
    driver.close()
    driver.close()


def test_a_stranger_among_the_options_is_refused(name):
    """Breaks if a misspelt option is swallowed."""
    with pytest.raises((TypeError, ConfigError), match="sorce"):
        load(name)("eye", **(rigs.absent(name) or {"modality": "vision"}), sorce=1)


def test_reading_before_opening_is_a_loss(name):
    """Breaks if it raises what ingest does not foresee, or blocks."""
    driver = load(name)("eye", **(rigs.absent(name) or {"modality": "vision"}))
    with pytest.raises(DeviceLost, match="eye"):
        driver.read(0.1)


def test_an_absent_device_fails_alike_and_leaves_nothing(name):
    """Breaks if opening is not atomic: a file, thread or lock stays behind, or the second try
    fails otherwise than the first."""
    options = rigs.absent(name)
    if options is None:
        pytest.skip("has no device that could be absent")
    driver = load(name)("eye", **options)
    with rigs.held(name, "eye"):
        with pytest.raises(DeviceUnavailable, match="stream 'eye'"):
            driver.open(robot_clock)  # libraries keep what they load once
        files, threads = open_files(), threading.active_count()
        with pytest.raises(DeviceUnavailable, match="stream 'eye'"):
            driver.open(robot_clock)
        assert settle(lambda: open_files() <= files)
        assert settle(lambda: threading.active_count() <= threads)
        driver.close()
        driver.close()


def test_a_real_device_gives_samples_of_its_form_on_the_robots_clock(name, tmp_path):
    """Breaks if shape, dtype, stream, order or clock is not what the windower takes."""
    with rigs.working(name, "eye", tmp_path) as (options, serve):
        driver = load(name)("eye", **options)
        begun_ns = robot_clock()
        driver.open(robot_clock)
        samples = read_some(driver, serve)
        now_ns = robot_clock()
        driver.close()
    assert len(samples) >= 3
    dtype, ndim = SHAPES[driver.modality]
    for sample in samples:
        assert sample.stream == "eye"
        assert sample.data.dtype == dtype
        assert sample.data.ndim == ndim
        ahead_ns = 2e9 if name == "recording" else 0  # read as it is asked, not as time goes
        assert begun_ns - 2e9 <= sample.arrival_ns <= now_ns + ahead_ns
        assert -60e6 < sample.arrival_ns - sample.t_ns < 2e9 + now_ns - begun_ns
        assert (sample.meta is not None) == (driver.modality is Modality.DEPTH)
    times = [sample.t_ns for sample in samples]
    assert times == sorted(times)


def test_it_can_be_closed_and_opened_again_and_again(name, tmp_path):
    """Breaks if a pause, or a loss and a recovery, needs a new driver; or leaks."""
    with rigs.working(name, "eye", tmp_path) as (options, serve):
        driver = load(name)("eye", **options)
        counts = []
        for _ in range(3):
            driver.open(robot_clock)
            assert read_some(driver, serve, 1)
            started = time.monotonic()
            with Stalls() as stalls:
                driver.close()
                driver.close()
                assert time.monotonic() - started < 1.5 + stalls.lost_s()
            with pytest.raises(DeviceLost):
                driver.read(0.0)
            time.sleep(0.1)
            counts.append((len(open_files()), threading.active_count()))
        assert settle(lambda: len(open_files()) <= counts[0][0] + 2)
        assert settle(lambda: threading.active_count() <= counts[0][1] + 1)


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("camera", "cv2", "sensors"),
        ("microphone", "pyaudio", "sensors"),
        ("imu", "serial", "sensors"),
        ("depth", "cv2", "sensors"),
        ("realsense", "pyrealsense2", "realsense"),
        ("recording", "cv2", "sensors"),
    ],
)
def test_a_missing_library_names_its_extra(name, library, extra):
    """Breaks if `check` on a machine without the library does not say what to install."""
    program = f"import sys; sys.modules[{library!r}] = None; import sensors; sensors.load({name!r})"
    done = subprocess.run([sys.executable, "-c", program], stderr=-1, text=True)
    assert "MissingExtra" in done.stderr
    assert f"needs {library}: {install_command(extra)}" in done.stderr


def test_the_table_is_complete():
    """Breaks if a driver is added without a rig, so that nothing here tries it."""
    for name in DRIVERS:
        rigs.absent(name)
        assert name in rigs._RIGS


ODD = ("0.5", "", "a\nb", True, None, -1, 1.5, math.nan, -math.inf, 10**400, 10**5000, 2j,
       "a" * 500, [], [10**400], ["a"] * 6, {}, {"a": 1}, [[1]], b"ab", object(), np.array([1, 2]),
       np.array(["a", "b"]), np.float32("nan"), np.bool_(True))  # fmt: skip


def test_an_option_of_any_type_is_taken_or_refused_in_one_line(name):
    """Breaks if a value that YAML or a program can hand over ends a constructor in anything but a
    ConfigError that names the stream, in one line."""
    driver_class, options = load(name), rigs.absent(name) or {"modality": "vision"}
    for key in list(inspect.signature(driver_class).parameters)[1:]:
        for value in ODD:
            try:
                driver_class("eye", **options | {key: value})
            except ConfigError as error:
                said = str(error)
                assert "\n" not in said
                assert len(said) < 300
                assert "'eye'" in said


def test_numpy_numbers_count_as_numbers(name):
    """Breaks if an option computed by NumPy is refused, or goes on to a library as NumPy's."""
    options = rigs.absent(name) or {"modality": "vision"}
    known = inspect.signature(load(name)).parameters
    said = {"rate_hz": np.float32(20), "width": np.int64(64), "delay_ms": np.int16(3),
            "fx_px": np.float32(500), "baseline_m": np.float32(0.05),
            "seed": np.uint8(2), "loop": np.bool_(True)}  # fmt: skip
    said = {key: value for key, value in said.items() if key in known}
    if name == "microphone":
        said["rate_hz"] = np.int64(48_000)
    driver = load(name)("eye", **options | said)
    assert driver.rate_hz in (20.0, 16_000.0, 30.0)
    assert type(driver.rate_hz) is float


def test_true_is_no_rate(name):
    """Breaks if a flag where a number belongs counts as 1."""
    with pytest.raises(ConfigError, match="rate_hz"):
        load(name)("eye", **(rigs.absent(name) or {"modality": "vision"}) | {"rate_hz": True})
