"""The programs of examples/, run as a reader would run them."""

from __future__ import annotations

import os
import sys
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from bindstream.errors import DeviceUnavailable, WrongFormat
from bindstream.types import Modality
from deploy.config.file import load as load_config
from deploy.config.preflight import preflight
from deploy.index.gathering import Part
from deploy.index.job import planned
from deploy.index.parts import Parts
from encoders.imagebind.encoder import ImageBindEncoder
from pipeline.past import PastStream
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


def test_a_folder_of_files_is_a_robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if files as the example names them are not played, or not indexed, as it says."""
    (folder := tmp_path / "drive").mkdir()
    write_files(folder, seconds=8)
    monkeypatch.chdir(tmp_path)
    assert len(preflight(load_config(EXAMPLES / "folder.yaml"), ports=False)) == 3
    job = planned([folder], EXAMPLES / "folder.yaml", batch=1)
    assert not job.faults
    for stream in job.streams:
        outcomes = list(PastStream(stream.plan, stream.form).outcomes())
        assert len(outcomes) >= 3, stream.plan.stream
    assert sorted(stream.plan.stream for stream in job.streams) == ["ears", "front", "imu"]


def write_files(folder: Path, seconds: int) -> None:
    """Grey pictures, silence, and an IMU at rest, without times of their own."""
    (folder / "front").mkdir()
    for n in range(10 * seconds):
        cv2.imwrite(str(folder / "front" / f"{n:06d}.jpg"), np.full((24, 32, 3), 99, np.uint8))
    with wave.open(str(folder / "ears.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(bytes(2 * 16000 * seconds))
    lines = [f"{n / 100:.2f},0,0.02,1,0.5,0,-0.5" for n in range(100 * seconds)]
    (folder / "imu.csv").write_text("\n".join(["t,ax,ay,az,gx,gy,gz", *lines]))


def test_an_index_is_searched(tmp_path: Path) -> None:
    """Breaks if the rows of an index and words of the same weights cannot be compared."""
    encoder = ImageBindEncoder(modalities=[Modality.TEXT])
    words = ["a dog", "the robot is turning left"]
    found = {
        n: replace(
            messages.embedding(),
            seq=n,
            end_ns=1_700_000_000_000_000_000 + n,
            space_id=encoder.space_id,
            vector=vector,
        )
        for n, vector in enumerate(encoder.encode_text(words))
    }
    Parts(tmp_path).put("k-front", 0, Part(found), Path("drive.mcap"))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    lines = example("search_index.py", str(tmp_path), *words, env=env)
    assert lines[0].startswith(f"1.00  {words[0]}: ")
    assert lines[2].startswith(f"1.00  {words[1]}: ")
    assert "2023-11-14 22:13:20 of drive.mcap" in lines[0]


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
