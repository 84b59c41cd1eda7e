"""The programs of examples/, run as a reader would run them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from bindstream.errors import DeviceUnavailable, WrongFormat
from bindstream.types import Modality
from deploy.config.file import load as load_config
from deploy.config.preflight import preflight
from sensors import load
from sensors.recording.writer import RecordingWriter
from sensors.ros2.packing import Codec
from tests.deploy import messages
from tests.docs.blocks import ROOT
from tests.docs.conftest import Phone
from tests.docs.running import output_of
from tests.system.robot import Robot

pytestmark = pytest.mark.timeout(900)  # the first test of all starts a robot
EXAMPLES = ROOT / "examples"


def example(name: str, *words: str, env: dict[str, str]) -> list[str]:
    return output_of([sys.executable, str(EXAMPLES / name), *words], env)


@pytest.mark.ray
@pytest.mark.parametrize("name", ["subscribe.py", "gaps.py"])
def test_a_reader_prints_what_comes(name: str, robot: Robot, shell_env: dict[str, str]) -> None:
    """Breaks if an example that only needs an endpoint raises or stays silent."""
    lines = example(name, robot.endpoint, env=shell_env)
    streams = ("front", "ears", "depth", "thermal", "imu", "phone")
    assert all(any(stream in line for stream in streams) for line in lines)


def test_a_robot_of_bought_devices_is_a_configuration() -> None:
    """Breaks if an option of a maker's device is not what the example says."""
    config = load_config(EXAMPLES / "devices.yaml")
    drivers = preflight(config, devices=False, ports=False)
    assert [driver.modality.value for driver in drivers] == ["vision", "thermal", "imu"]


@pytest.mark.ray
def test_words_are_compared_with_the_stream(robot: Robot, shell_env: dict[str, str]) -> None:
    """Breaks if the words' vectors and the stream's are not of one space, or one size."""
    words = ["the robot is standing still", "the robot is turning left"]
    options = ["--endpoint", robot.endpoint, "--http", robot.http]
    lines = example("ask.py", *words, *options, env=shell_env)
    for line in lines:
        assert any(word in line for word in words)
        assert -1.0 <= float(line.split()[-1]) <= 1.0


def test_the_ros2_robot_is_a_configuration() -> None:
    """Breaks if a key or an option of the example is none of ours."""
    config = load_config(EXAMPLES / "ros2_robot.yaml")
    drivers = preflight(config, devices=False, ports=False)
    assert [driver.modality for driver in drivers] == ["vision", "imu", "audio"]
    (robot,) = config.robots
    assert robot.args.publish.ros2 is not None


def test_a_recording_is_read_without_us(tmp_path: Path) -> None:
    """Breaks if a recording's own definitions do not suffice to read its embeddings."""
    path = tmp_path / "drive.mcap"
    writer = RecordingWriter(path, Codec(), {})
    for n in range(3):
        writer.say(replace(messages.embedding(), seq=n))
    writer.close()
    lines = example("read_recording.py", str(path), env={"PATH": os.environ["PATH"]})
    assert len(lines) == 3
    told = messages.embedding()
    assert f"{told.stream}/0 is most like {told.stream}/2: 1.00" in lines[0]


@pytest.mark.ray
def test_a_sensor_of_ones_own_becomes_embeddings(robot: Robot) -> None:
    """Breaks if a driver that is named as module:Class cannot be used like ours."""
    records = robot.wait_for("embedding", "phone")
    assert records[0]["modality"] == "imu"
    assert records[0]["norm"] == pytest.approx(1.0, abs=1e-3)


class TestUdpImu:
    """The driver of examples/my_sensor.py, against the driver contract."""

    @pytest.fixture
    def driver_class(self, monkeypatch: pytest.MonkeyPatch) -> type:
        monkeypatch.syspath_prepend(str(EXAMPLES))
        loaded: type = load("my_sensor:UdpImu")
        return loaded

    def test_it_reads_what_the_phone_sends(self, driver_class: type) -> None:
        """Breaks if a datagram is lost between the socket and the sample, or mis-stamped."""
        phone = Phone()
        driver = driver_class("phone", port=phone.port)
        try:
            driver.open(lambda: 42)
            (sample,) = driver.read(60.0)
        finally:
            driver.close()
            phone.close()
        assert (sample.stream, sample.t_ns, driver.modality) == ("phone", 42, Modality.IMU)
        assert sample.data.tolist() == pytest.approx([0.1, 0.2, 9.81, 0.0, 0.0, 0.3])

    def test_a_silent_phone_is_unavailable_and_can_be_tried_again(self, driver_class: type) -> None:
        """Breaks if opening without data succeeds, or a failed opening keeps the port."""
        driver = driver_class("phone", port=0)
        for _ in range(2):
            with pytest.raises(DeviceUnavailable, match="no datagram"):
                driver.open(lambda: 0)
        driver.close()

    def test_nonsense_is_a_wrong_format(self, driver_class: type) -> None:
        """Breaks if a datagram of another app ends in a traceback without the wanted form."""
        driver = driver_class("phone", port=1)
        with pytest.raises(WrongFormat, match="wanted"):
            driver._reading(b'{"acc": [1, 2]}')
