"""`bindstream init`: this machine as a configuration that `check` accepts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from bindstream.command.cli import main
from bindstream.types import Modality
from deploy.config.file import load
from deploy.verbs import devices, init
from tests.devices.pulse import DEVICE, pulse_server
from tests.devices.ros2_robot import Publisher, Router, Talker, imu
from tests.devices.serial_port import SerialDevice, at_rest, csv_line


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without camera, microphone and serial port; each test plugs something in."""
    monkeypatch.setattr(devices, "VIDEO", tmp_path / "no-video")
    monkeypatch.setattr(devices, "microphones", lambda: iter(()))
    monkeypatch.setattr(list_ports, "comports", list)
    monkeypatch.setattr("sensors.serial.guess.LISTEN_S", 0.3)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def plugged(monkeypatch, *ports: str) -> None:
    """Serial ports that have a device behind them."""
    infos = [ListPortInfo(port) for port in ports]
    for info in infos:
        info.description, info.hwid = "CP2102", "USB VID:PID=10C4:EA60"
    monkeypatch.setattr(list_ports, "comports", lambda: infos)


def test_a_serial_imu_is_written_as_it_speaks(bare, tmp_path, capsys):
    """Breaks if what is found is not what `check` opens: another protocol, port or name."""
    with SerialDevice(100.0, at_rest, csv_line) as device:
        plugged(bare, device.port)
        assert main(["init"]) == 0
        (stream,) = load(tmp_path / "my_robot.yaml").streams
        assert (stream.name, stream.modality, stream.driver) == ("imu", Modality.IMU, "imu")
        assert stream.options == {"port": device.port, "protocol": "csv"}
        assert "CP2102" in (tmp_path / "my_robot.yaml").read_text()
        assert main(["check", "my_robot.yaml", "--no-ports"]) == 0
    assert "1 stream, 1 encoder, every sensor opened" in capsys.readouterr().out


@pytest.mark.daemon
def test_the_microphone_that_works_is_used_and_others_are_comments(monkeypatch, tmp_path, capsys):
    """Breaks if a microphone is written that does not open, or each of a sound card's many names
    becomes a stream."""
    monkeypatch.setattr(devices, "VIDEO", tmp_path / "no-video")
    monkeypatch.setattr(list_ports, "comports", list)
    with pulse_server() as server:
        for key, value in server.environment.items():
            monkeypatch.setenv(key, value)
        out = tmp_path / "my.yaml"
        assert main(["init", "--out", str(out)]) == 0
        (stream,) = load(out).streams
        assert (stream.name, stream.modality) == ("ears", Modality.AUDIO)
        assert f"device: {DEVICE}" in out.read_text()
        assert main(["check", str(out), "--no-ports"]) == 0


def test_nothing_found_is_said_and_is_the_simulated_robot(bare, tmp_path, capsys):
    """Breaks if a machine without sensors gets an empty robot, which `check` refuses."""
    assert main(["init"]) == 0
    told = capsys.readouterr()
    assert "nothing found that works: my_robot.yaml is the simulated robot" in told.err
    assert main(["check", "my_robot.yaml", "--no-ports"]) == 0
    assert load(tmp_path / "my_robot.yaml").streams == load().streams


def test_what_is_there_and_does_not_work_says_why(bare, tmp_path, capsys):
    """Breaks if a camera that cannot be opened, or an unknown device on a port, is left out in
    silence."""
    node: Path = tmp_path / "video" / "video9"
    node.mkdir(parents=True)
    (node / "name").write_text("UVC Camera\n")
    bare.setattr(devices, "VIDEO", node.parent)
    with SerialDevice(200.0, at_rest, lambda _: b"hello\n") as device:
        plugged(bare, device.port)
        assert main(["init"]) == 0
    text = (tmp_path / "my_robot.yaml").read_text()
    assert "# UVC Camera; no permission" in text
    assert "no protocol of ours reads" in text
    assert "no permission" in capsys.readouterr().err


def test_a_file_that_is_there_stays(bare, tmp_path, capsys):
    """Breaks if somebody's edited configuration is written over."""
    mine = tmp_path / "my_robot.yaml"
    mine.write_text("mine")
    assert main(["init"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert main(["init", "--force"]) == 0
    assert load(mine).streams


def test_two_devices_get_two_names(bare, tmp_path):
    """Breaks if the second IMU takes the first one's place."""
    with (
        SerialDevice(100.0, at_rest, csv_line) as one,
        SerialDevice(100.0, at_rest, csv_line) as other,
    ):
        plugged(bare, one.port, other.port)
        assert main(["init"]) == 0
    assert {s.name for s in load(tmp_path / "my_robot.yaml").streams} == {"imu", "imu2"}


def test_the_topics_of_a_ros2_robot_are_written_with_their_router(bare, tmp_path, capsys):
    """Breaks if a ROS 2 robot looks like a machine without sensors, or a topic that no driver of
    ours reads becomes a stream."""
    with (
        Router() as router,
        Publisher(router.address, "/imu/data", "sensor_msgs/msg/Imu") as publisher,
        Publisher(router.address, "/odom", "sensor_msgs/msg/CameraInfo"),
        Talker(publisher, 100.0, lambda _: imu(time.time_ns(), ax=9.8)),
    ):
        assert main(["init", "--router", router.address]) == 0
        (stream,) = load(tmp_path / "my_robot.yaml").streams
        assert (stream.name, stream.driver, stream.modality) == ("imu_data", "ros2", Modality.IMU)
        told = {"topic": "/imu/data", "modality": "imu", "router": router.address}
        assert stream.options == told
        assert main(["check", "my_robot.yaml", "--no-ports"]) == 0
    assert main(["init", "--router", router.address, "--force"]) == 0
    assert "is the simulated robot" in capsys.readouterr().err


def test_a_library_that_is_missing_costs_its_own_kind(bare, tmp_path):
    """Breaks if one absent library ends the whole look."""

    def absent():
        raise ModuleNotFoundError("no", name="pyaudio")
        yield

    bare.setattr(devices, "microphones", absent)
    assert main(["init"]) == 0
    assert {*init.LOOKS} >= {"camera", "microphone", "serial port", "RealSense", "ROS 2"}
