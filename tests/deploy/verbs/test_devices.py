"""`bindstream devices`: what is there is listed, what is not does not stop it."""

from __future__ import annotations

import json
import sys

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from bindstream.command import cli
from bindstream.extras import install_command
from bindstream.types import Modality
from deploy.verbs import devices
from sensors import load
from sensors.ros2 import discovery
from tests.devices.pulse import DEVICE, pulse_server
from tests.devices.ros2_robot import Publisher, Router


@pytest.fixture
def pulse(monkeypatch):
    with pulse_server() as server:
        for key, value in server.environment.items():
            monkeypatch.setenv(key, value)
        yield server


def listed(capsys):
    """The rows of --json."""
    assert cli.main(["devices", "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def no_sound(monkeypatch):
    monkeypatch.setitem(devices.LOOKS, "microphone", lambda: iter(()))


@pytest.mark.daemon
def test_microphones_with_their_rates(pulse, capsys):
    """Breaks if what is listed could not be put into a configuration as it stands."""
    rows = {row["name"]: row for row in listed(capsys) if row["kind"] == "microphone"}
    row = rows[DEVICE]
    assert {16000, 44100, 48000} <= set(row["rates_hz"])
    assert load(row["driver"])("mic", **row["options"]).modality is Modality.AUDIO
    assert cli.main(["devices"]) == 0
    assert f"device: {DEVICE}" in capsys.readouterr().out


def test_cameras_are_what_the_kernel_lists(tmp_path, monkeypatch, capsys, no_sound):
    """Breaks if video10 sorts before video9, or a metadata node looks like a camera."""
    for number, index in ((9, 0), (10, 1)):
        node = tmp_path / f"video{number}"
        node.mkdir()
        (node / "name").write_text("UVC Camera\n")
        (node / "index").write_text(f"{index}\n")
    monkeypatch.setattr(devices, "VIDEO", tmp_path)
    first, second = (row for row in listed(capsys) if row["kind"] == "camera")
    assert first["options"] == {"source": "/dev/video9"}
    assert first["name"] == "UVC Camera"
    assert "note" not in first
    assert "metadata" in second["note"]
    assert "usermod" in first["fix"]  # there is no such device here


def test_serial_ports_without_the_kernels_phantoms(monkeypatch, capsys, no_sound):
    """Breaks if thirty-two ttyS that do not exist hide the one IMU."""
    real, phantom = ListPortInfo("/dev/ttyUSB7"), ListPortInfo("/dev/ttyS3")
    real.description, real.hwid = "CP2102", "USB VID:PID=10C4:EA60"
    monkeypatch.setattr(list_ports, "comports", lambda: [real, phantom])
    (row,) = (row for row in listed(capsys) if row["kind"] == "serial port")
    assert row["options"] == {"port": "/dev/ttyUSB7"}
    assert row["name"] == "CP2102"


def test_topics_of_ros2(monkeypatch, capsys, no_sound):
    """Breaks if what is listed could not be put into a configuration as it stands; or if a machine
    without a router has a problem for it."""
    with Router() as router:
        monkeypatch.setattr(discovery, "LOCAL", ("127.0.0.1", router.port))
        with (
            Publisher(router.address, "/imu/data", "sensor_msgs/msg/Imu", domain_id=3),
            Publisher(router.address, "/cam/depth/image", "sensor_msgs/msg/Image"),
            Publisher(router.address, "/chatter", "std_msgs/msg/String"),
        ):
            depth, imu = (row for row in listed(capsys) if row["kind"] == "ROS 2 topic")
        assert imu["options"] == {"topic": "/imu/data", "modality": "imu", "domain_id": 3}
        assert imu["name"] == "sensor_msgs/msg/Imu of /talker"
        assert load("ros2")("imu", **imu["options"]).modality is Modality.IMU
        assert depth["options"]["modality"] == "depth"
        assert "fx_px" in depth["note"]
    assert not [row for row in listed(capsys) if row["kind"] == "ROS 2 topic"]


@pytest.mark.parametrize(
    ("library", "kind"), [("pyaudio", "microphone"), ("serial", "serial port")]
)
def test_a_missing_library_is_named_with_its_extra(monkeypatch, capsys, library, kind):
    """Breaks if the base install cannot ask what the machine has."""
    for name in [n for n in sys.modules if n.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "sensors.audio.portaudio", raising=False)
    monkeypatch.delattr("sensors.audio.portaudio", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    if library != "pyaudio":
        monkeypatch.setitem(devices.LOOKS, "microphone", lambda: iter(()))
    (row,) = (row for row in listed(capsys) if row["kind"] == kind)
    assert library in row["problem"]
    assert install_command("sensors") in row["problem"]


def test_whatever_a_library_raises_the_rest_is_listed():
    """Breaks if one broken driver hides every other sensor."""

    def broken():
        yield {"name": "one"}
        raise OSError("bus error")

    rows = devices.found("camera", broken)
    assert rows[0] == {"kind": "camera", "name": "one"}
    assert "bus error" in rows[1]["problem"]
