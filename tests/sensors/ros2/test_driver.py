"""Topics of a robot on a real zenoh router, as sensors: forms, losses, the router gone and back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from bindstream.errors import DeviceBusy, DeviceError, DeviceLost, DeviceUnavailable, WrongFormat
from bindstream.extras import install_command
from sensors.ros2.driver import Ros2
from sensors.ros2.line import Line
from sensors.ros2.session import Place
from tests.devices import ros2_robot as robot
from tests.devices.reading import read_for

IMU, IMAGE = "sensor_msgs/msg/Imu", "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
OPTICS = {"fx_px": 400.0, "baseline_m": 0.05}


def ros2(router, topic, modality="imu", **options):
    return Ros2("eye", topic=topic, modality=modality, router=router.address, **options)


def at_rest(n):
    """A reading whose number stands in its rate of turn."""
    return robot.imu(time.time_ns(), gx=n / 1000)


def picture(n, shape=(48, 64, 3)):
    return robot.image(time.time_ns(), np.full(shape, n % 256, np.uint8))


def read_until(driver, what, seconds=20.0):
    """What is read until ``what(samples)``, which must come to be."""
    samples, deadline_s = [], time.monotonic() + seconds
    while not what(samples):
        assert time.monotonic() < deadline_s, f"{len(samples)} samples, {driver.counters}"
        samples += driver.read(0.1)
    return samples


def test_every_reading_of_an_imu_comes_once_and_in_order(router):
    """Breaks if a reading is lost, doubled or overtaken on its way, or its stamp is not ROS's."""
    with (
        robot.Publisher(router.address, "/imu/data", IMU) as publisher,
        robot.Talker(publisher, 400.0, at_rest) as talker,
    ):
        driver = ros2(router, "/imu/data")
        driver.open(time.time_ns)
        assert driver.warnings == []
        samples = read_for(driver, 2.0)
        talker.paused.set()
        samples += read_for(driver, 0.3)
        counters = driver.counters
        driver.close()
    numbers = [round(float(s.data[3]) * 1000) for s in samples]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 100
    assert not any(counters.values()), counters
    assert all(s.data[2] == np.float32(9.81) for s in samples)
    assert all(0 <= s.arrival_ns - s.t_ns < 2e9 for s in samples)


def test_of_pictures_the_newest_is_given_and_what_it_overtook_is_counted(router):
    """Breaks if a slow reader gets pictures that are older and older."""
    with (
        robot.Publisher(router.address, "/eye", IMAGE) as publisher,
        robot.Talker(publisher, 50.0, picture) as talker,
    ):
        driver = ros2(router, "/eye", "vision")
        driver.open(time.time_ns)
        driver.read(1.0)
        before, sent = driver.counters["skipped"], talker.sent
        while talker.sent < sent + 12:
            time.sleep(0.01)
        talker.paused.set()
        last = (talker.sent - 1) % 256
        samples = read_until(driver, lambda s: s and s[-1].data[0, 0, 0] == last)
        driver.close()
    assert len(samples) <= 3
    assert driver.counters["skipped"] >= before + 8
    assert driver.counters["lost"] == 0


def _png(array):
    return cv2.imencode(".png", array)[1].tobytes()


RED = np.zeros((24, 32, 3), np.uint8)
RED[..., 0] = 200
MILLIMETRES = np.full((24, 32), 1500, np.uint16)
FORMS = {
    "rgb8": ("vision", IMAGE, lambda t: robot.image(t, RED)),
    "bgr8": ("vision", IMAGE, lambda t: robot.image(t, RED[..., ::-1].copy(), "bgr8")),
    "png": (
        "vision",
        COMPRESSED,
        lambda t: robot.compressed(t, _png(RED[..., ::-1]), "rgb8; png compressed bgr8"),
    ),
    "16UC1": ("depth", IMAGE, lambda t: robot.image(t, MILLIMETRES, "16UC1")),
    "32FC1": ("depth", IMAGE, lambda t: robot.image(t, np.full((24, 32), 1.5, "f4"), "32FC1")),
    "compressedDepth": (
        "depth",
        COMPRESSED,
        lambda t: robot.compressed(t, bytes(12) + _png(MILLIMETRES), "16UC1; compressedDepth png"),
    ),
    "centikelvin": (
        "thermal",
        IMAGE,
        lambda t: robot.image(t, np.full((24, 32), 29_515, np.uint16), "mono16"),
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_pictures_of_each_form(router, name):
    """Breaks if a form of sensor_msgs is misread: colours swapped, another unit."""
    modality, kind, make = FORMS[name]
    with (
        robot.Publisher(router.address, "/cam/image", kind) as publisher,
        robot.Talker(publisher, 30.0, lambda _: make(time.time_ns())),
    ):
        driver = ros2(router, "cam/image", modality, **(OPTICS if modality == "depth" else {}))
        driver.open(time.time_ns)
        (sample,) = read_until(driver, lambda s: len(s) >= 1)
        driver.close()
    wanted = {"vision": RED, "depth": np.full((24, 32), 1.5), "thermal": np.full((24, 32), 295.15)}
    assert np.allclose(sample.data, wanted[modality], atol=1e-4)
    assert driver.rate_hz > 0


def opening_error(driver) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        driver.open(time.time_ns)
    with pytest.raises(DeviceLost):
        driver.read(0.0)
    return caught.value


def test_no_router():
    """Breaks if a router that is not running looks like a topic that is not there."""
    driver = Ros2("eye", topic="/imu", modality="imu", router="tcp/127.0.0.1:1")
    error = opening_error(driver)
    assert isinstance(error, DeviceUnavailable)
    assert "no zenoh router answers at tcp/127.0.0.1:1" in str(error)
    assert "rmw_zenohd" in str(error)


def test_a_router_without_ros(router):
    """Breaks if a robot that speaks DDS is not told from a misspelt topic."""
    assert "knows no publisher of ROS 2" in str(opening_error(ros2(router, "/imu")))


def test_no_such_topic(router):
    """Breaks if the topics that there are, and the one that is near, are not named."""
    with robot.Publisher(router.address, "/imu/data", IMU):
        error = opening_error(ros2(router, "/imu/dat"))
    assert isinstance(error, DeviceUnavailable)
    assert "no topic /imu/dat in domain 0; did you mean '/imu/data'" in str(error)


def test_another_domain(router):
    """Breaks if a wrong ROS_DOMAIN_ID looks like a robot that is off."""
    with robot.Publisher(router.address, "/imu", IMU, domain_id=7):
        assert "is of domain 7, not 0" in str(opening_error(ros2(router, "/imu")))
        assert "in domain 0, but in 7" in str(opening_error(ros2(router, "/other")))


@pytest.mark.parametrize("talks", [True, False])
def test_another_type(router, talks):
    """Breaks if a topic of another type is taken for a silent one; whether or not it speaks."""
    with (
        robot.Publisher(router.address, "/imu", IMAGE) as publisher,
        robot.Talker(publisher, 20.0, picture, says=talks),
    ):
        error = opening_error(ros2(router, "/imu"))
    assert isinstance(error, WrongFormat)
    assert f"gives {IMAGE}: wanted {IMU}" in str(error)


@pytest.mark.parametrize("talks", [True, False])
def test_another_definition_of_the_type(router, talks):
    """Breaks if bytes of another definition are read by ours, as Humble's could be."""
    with (
        robot.Publisher(router.address, "/imu", IMU, type_hash="RIHS01_" + 64 * "0") as publisher,
        robot.Talker(publisher, 50.0, at_rest, says=talks),
    ):
        error = opening_error(ros2(router, "/imu"))
    assert isinstance(error, WrongFormat)
    assert f"another definition of {IMU}" in str(error)
    assert robot.STORE.hash_rihs01(IMU) in str(error)


def test_humble_is_read_with_a_warning(router):
    """Breaks if a robot of ROS 2 Humble, whose keys hold no hash, is refused, or read silently."""
    with (
        robot.Publisher(router.address, "/imu", IMU, type_hash="TypeHashNotSupported") as publisher,
        robot.Talker(publisher, 50.0, at_rest),
    ):
        driver = ros2(router, "/imu")
        driver.open(time.time_ns)
        assert driver.read(1.0)
        driver.close()
    (warning,) = driver.warnings
    assert "stream 'eye': /imu: its publisher is of ROS 2 Humble" in warning


def test_no_liveliness_is_a_warning(router):
    """Breaks if a publisher without tokens is refused, or `check` does not say so."""
    with (
        robot.Publisher(router.address, "/imu", IMU, quiet=True) as publisher,
        robot.Talker(publisher, 50.0, at_rest),
    ):
        driver = ros2(router, "/imu")
        driver.open(time.time_ns)
        driver.close()
    (warning,) = driver.warnings
    assert "no liveliness token" in warning


def test_announced_and_silent(router):
    """Breaks if a driver node that hangs looks like one that is not there."""
    with robot.Publisher(router.address, "/imu", IMU):
        error = opening_error(ros2(router, "/imu"))
    assert "/talker announces /imu, but nothing comes" in str(error)


def test_a_wrong_rate_is_refused(router):
    """Breaks if `rate_hz` is not checked."""
    with (
        robot.Publisher(router.address, "/imu", IMU) as publisher,
        robot.Talker(publisher, 50.0, at_rest),
    ):
        error = opening_error(ros2(router, "/imu", rate_hz=400))
    assert isinstance(error, WrongFormat)
    assert "wanted rate_hz 400, /imu gives" in str(error)


def test_an_imu_in_g_is_refused(router):
    """Breaks if a driver node that breaks REP 145 bends every window."""
    with (
        robot.Publisher(router.address, "/imu", IMU) as publisher,
        robot.Talker(publisher, 100.0, lambda n: robot.imu(time.time_ns(), ax=500.0)),
    ):
        error = opening_error(ros2(router, "/imu"))
    assert isinstance(error, WrongFormat)
    assert "gravity" in str(error)


def test_a_jolt_at_the_beginning_is_no_wrong_unit(router):
    """Breaks if what one half second shows is held against a topic for good."""

    def jolted(n):
        return robot.imu(time.time_ns(), ax=500.0 if talker.sent < 40 else 0.0)

    with robot.Publisher(router.address, "/imu", IMU) as publisher:
        talker = robot.Talker(publisher, 100.0, jolted)
        with talker:
            driver = ros2(router, "/imu")
            driver.open(time.time_ns)
            driver.close()


def test_an_imu_without_a_gyroscope_is_refused(router):
    """Breaks if REP 145's -1 for what is not measured is read as zeros."""
    unknown = np.zeros(9)
    unknown[0] = -1.0
    with (
        robot.Publisher(router.address, "/imu", IMU) as publisher,
        robot.Talker(
            publisher,
            100.0,
            lambda n: robot.imu(time.time_ns(), angular_velocity_covariance=unknown),
        ),
    ):
        error = opening_error(ros2(router, "/imu"))
    assert isinstance(error, WrongFormat)
    assert "angular_velocity is said to be unknown" in str(error)


def test_damaged_messages_and_lost_numbers_are_counted(router):
    """Breaks if one message of garbage ends the stream, or what never came is not counted."""
    with robot.Publisher(router.address, "/imu", IMU) as publisher:
        with robot.Talker(publisher, 50.0, at_rest):
            driver = ros2(router, "/imu")
            driver.open(time.time_ns)
        publisher.put_bytes(b"\x00\x01\x00\x00 garbage")
        publisher.skip(3)
        publisher.put_bytes(b"")
        read_until(driver, lambda _: driver.counters["bad"] == 2)
        assert "2 messages could not be read" in driver.why
        assert driver.counters["lost"] == 3
        publisher.put(at_rest(0))
        read_until(driver, lambda s: len(s) >= 1)
        assert driver.why == ""
        driver.close()


def test_the_last_message_again_is_no_new_one(router):
    """Breaks if a node that repeats its last picture looks alive; also to one who opens anew."""
    with robot.Publisher(router.address, "/eye", IMAGE) as publisher:
        with robot.Talker(publisher, 30.0, picture):
            driver = ros2(router, "/eye", "vision")
            driver.open(time.time_ns)
        last = picture(0)
        with robot.Talker(publisher, 30.0, lambda _: last):
            read_until(driver, lambda _: driver.counters["repeated"] >= 3)
            assert driver.why == "the topic repeats its last message"
            error = opening_error(driver)
    assert isinstance(error, DeviceUnavailable)
    assert "repeats its last message" in str(error)


def test_stamps_that_were_never_set(router):
    """Breaks if a node that leaves header.stamp at 0 is taken for one that repeats itself."""
    with (
        robot.Publisher(router.address, "/eye", IMAGE) as publisher,
        robot.Talker(publisher, 30.0, lambda _: robot.image(0, RED)),
    ):
        driver = ros2(router, "/eye", "vision")
        driver.open(time.time_ns)
        samples = read_until(driver, lambda s: len(s) >= 5)
        driver.close()
    assert all(s.t_ns == s.arrival_ns for s in samples)
    assert driver.counters["unset"] >= 5


def test_the_router_is_killed_and_comes_back(router):
    """Breaks if its end is not noticed within 2 s, or the stream needs a new driver afterwards."""
    driver = ros2(router, "/imu")
    with (
        robot.Publisher(router.address, "/imu", IMU) as publisher,
        robot.Talker(publisher, 100.0, at_rest),
    ):
        driver.open(time.time_ns)
        router.kill()
        gone_s = time.monotonic()
        with pytest.raises(DeviceLost, match="is gone: nothing from /imu"):
            read_for(driver, 20.0)
        assert time.monotonic() - gone_s < 5.0  # half a second, and what a busy machine takes
        assert "no zenoh router answers" in str(opening_error(driver))
        router.start()
        deadline_s = time.monotonic() + 30.0
        while True:  # the publisher comes back by itself, as rmw_zenoh's do
            try:
                driver.open(time.time_ns)
                break
            except DeviceUnavailable:
                assert time.monotonic() < deadline_s
        assert read_until(driver, lambda s: len(s) > 20)
        driver.close()


def test_silence_is_said_while_the_router_is_there(router):
    """Breaks if a node that died is told from a live one only once its stream is given up; or if a
    router's end is not noticed where the topic's pace is not known yet."""
    with robot.Publisher(router.address, "/eye", IMAGE) as publisher:
        publisher.put(picture(0))
        driver = ros2(router, "/eye", "vision")
        once = threading.Timer(0.5, lambda: publisher.put(picture(1)))
        once.start()
        driver.open(time.time_ns)
        once.join()
        assert driver.rate_hz == 0.0
        read_until(driver, lambda _: driver.why.startswith("nothing from /eye for"))
        router.kill()
        with pytest.raises(DeviceLost, match="is gone: nothing from /eye"):
            read_for(driver, 20.0)
        driver.close()


def test_a_router_of_ones_own(router):
    """Breaks if a robot cannot do without rmw_zenohd where its nodes connect to us."""
    router.kill()
    driver = Ros2("eye", topic="/imu", modality="imu", listen=router.address)
    failed: list[str] = []
    stop = threading.Event()

    def talk():
        while not stop.is_set():
            try:
                with (
                    robot.Publisher(router.address, "/imu", IMU) as publisher,
                    robot.Talker(publisher, 100.0, at_rest),
                ):
                    stop.wait()
            except Exception as error:  # we are not there yet
                failed.append(str(error))
                stop.wait(0.05)

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        driver.open(time.time_ns)
        assert read_until(driver, lambda s: len(s) > 20)
        second = Ros2("two", topic="/imu", modality="imu", listen=router.address)
        with pytest.raises(DeviceBusy, match="let one stream listen"):
            second.open(time.time_ns)
        beside = ros2(router, "/imu")
        beside.open(time.time_ns)
        assert read_until(beside, lambda s: len(s) > 20)
        beside.close()
    finally:
        stop.set()
        talker.join()
        driver.close()


FROZEN = """
import sys, threading
sys.path.insert(0, sys.argv[2])
from tests.devices.ros2_robot import Router
router = Router(int(sys.argv[1]))
print("up", flush=True)
threading.Event().wait()
"""


def test_a_frozen_router_holds_nobody():
    """Breaks if closing, or opening anew, hangs on a router that does not answer any more."""
    port = robot.free_port()
    root = str(Path(__file__).parents[3])
    program = [sys.executable, "-c", FROZEN, str(port), root]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            address = f"tcp/127.0.0.1:{port}"
            line = Line("eye", "/imu", Place(address), time.time_ns, 10)
            os.kill(process.pid, signal.SIGSTOP)
            start_s = time.monotonic()
            assert line.publishers() == []
            line.close()
            with pytest.raises(DeviceUnavailable):
                Line("eye", "/imu", Place(address), time.time_ns, 10)
            assert time.monotonic() - start_s < 10.0
        finally:
            process.kill()


def test_nothing_is_left_behind_by_fifty_rounds(router):
    """Breaks if each opening leaves a thread, a descriptor or a session."""

    def held():
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    def once():
        Line("eye", "/imu", Place(router.address), time.time_ns, 10).close()

    once()
    before = held()
    for _ in range(50):
        once()
    deadline_s = time.monotonic() + 10.0
    while any(now > was for now, was in zip(held(), before, strict=True)):
        assert time.monotonic() < deadline_s, (held(), before)
        time.sleep(0.05)


@pytest.mark.parametrize("library", ["zenoh", "rosbags"])
def test_a_missing_library_names_its_extra(library):
    """Breaks if `check` on a machine without the extra does not say what to install."""
    make = "sensors.load('ros2')('eye', topic='/a', modality='imu')"
    program = f"import sys; sys.modules[{library!r}] = None; import sensors; {make}"
    done = subprocess.run([sys.executable, "-c", program], stderr=-1, text=True)
    assert f"driver 'ros2' needs {library}: {install_command('ros2')}" in done.stderr
