"""What is refused before anything starts: one line each, and no device left open."""

# ruff: noqa: E501 - tables of mistakes read better unwrapped

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from bindstream.errors import ConfigError, DeviceUnavailable
from bindstream.types import Modality
from deploy.config.preflight import preflight
from sensors.serial import usb
from tests.deploy.configs import IMU, TOY, free_port, made
from tests.devices.serial_port import SerialDevice


class Gadget:
    """A user's own driver: ``mood`` says how it behaves."""

    modality = Modality.DEPTH
    rate_hz = 10.0
    latency_ms = 0.0
    closed = 0

    def __init__(self, stream: str, *, mood: str = "fine") -> None:
        if mood == "moody":
            raise ValueError("wrong phase of the moon")
        self._stream, self._mood = stream, mood

    def open(self, now_ns: Any) -> None:
        if self._mood == "absent":
            raise DeviceUnavailable(self._stream, "no device at /dev/gadget0")
        if self._mood == "buggy":
            raise ZeroDivisionError("division by zero")

    def read(self, timeout_s: float) -> list[Any]:
        return []

    def close(self) -> None:
        Gadget.closed += 1
        if self._mood == "clingy":
            raise OSError("will not close")


def gadget(mood: str = "fine", name: str = "g", **changes: Any) -> dict[str, Any]:
    stream = {
        "name": name,
        "modality": "depth",
        "driver": "tests.deploy.config.test_preflight:Gadget",
        "options": {"mood": mood},
    }
    return stream | changes


def complaint(config: Any, **switches: bool) -> str:
    with pytest.raises(ConfigError) as caught:
        preflight(config, **switches)
    return str(caught.value)


def test_a_sound_configuration_opens_and_closes_every_sensor(tmp_path):
    """Breaks if a device stays open before the run that needs it."""
    before = Gadget.closed
    drivers = preflight(made(tmp_path, IMU, gadget(), gadget("clingy", "h")))
    assert [d.modality for d in drivers] == [Modality.IMU, Modality.DEPTH, Modality.DEPTH]
    assert Gadget.closed == before + 2


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (gadget("absent"), "stream 'g': no device at /dev/gadget0"),
        (gadget("buggy"), "Gadget: ZeroDivisionError: division by zero"),
        (gadget("moody"), "stream 'g': driver 'tests.deploy.config.test_preflight:Gadget': ValueError: wrong phase"),
        (gadget(driver="camra"), "stream 'g': unknown driver 'camra'; known: camera"),
        (gadget(driver="no_such:Driver"), "stream 'g': driver 'no_such:Driver': no module named 'no_such'"),
        (gadget(modality="thermal"), "stream 'g': its modality is 'thermal', but driver"),
        (gadget(options={"moud": 1}), "got an unexpected keyword argument 'moud'; its options: mood"),
    ],
)  # fmt: skip
def test_a_sensor_that_cannot_be_is_one_line(tmp_path, stream, said):
    """Breaks if a sensor's trouble is a traceback, or does not say whose it is."""
    text = complaint(made(tmp_path, stream))
    assert said in text
    assert len(text.splitlines()) == 1


def test_a_chip_that_keeps_bytes_back_is_warned_of(tmp_path, monkeypatch, caplog):
    """Breaks if `check` calls an IMU fine whose readings come 16 ms late, in bursts."""
    with SerialDevice(100) as device:
        folder = tmp_path / "sys/bus/usb-serial/devices" / Path(device.port).name
        folder.mkdir(parents=True)
        (folder / "latency_timer").write_text("16\n")
        monkeypatch.setattr(usb, "SYSTEM", tmp_path)
        stream = {
            "name": "arm",
            "modality": "imu",
            "driver": "imu",
            "options": {"port": device.port},
        }
        config = made(tmp_path, stream)
        preflight(config)
        (said,) = [r.getMessage() for r in caplog.records if r.name == "deploy.config.preflight"]
        assert "stream 'arm'" in said
        assert "latency_timer" in said
        caplog.clear()
        (folder / "latency_timer").write_text("1\n")
        preflight(config)
    assert not [r for r in caplog.records if r.name == "deploy.config.preflight"]


def test_without_devices_none_is_opened(tmp_path):
    """Breaks if `plan` needs the sensors of a robot that is elsewhere."""
    assert len(preflight(made(tmp_path, gadget("absent")), devices=False)) == 1


def test_a_busy_port_names_its_holder(tmp_path):
    """Breaks if `run` starts half a robot beside another, or does not say who is in the way."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        text = complaint(made(tmp_path, publish={"endpoint": f"tcp://127.0.0.1:{port}"}))
        assert f"127.0.0.1:{port} (publish.endpoint) is held by process {os.getpid()}" in text
        text = complaint(made(tmp_path, port=port))
        assert "(http_options.port)" in text
        preflight(made(tmp_path, port=port), ports=False)


def test_ports_that_were_just_left_are_free(tmp_path):
    """Breaks if a robot cannot be started again at once: connections linger in TIME_WAIT."""
    port = free_port()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        client = socket.create_connection(("127.0.0.1", port))
        ours, _ = server.accept()
        ours.close()  # the server's side ends first: it keeps the port in TIME_WAIT
        client.close()
    preflight(made(tmp_path, port=port))


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        ({"kind": "imagebnd"}, "encoder 'encoder': unknown kind 'imagebnd'; known: imagebind"),
        ({"weights": "absent.safetensors"}, "encoder 'encoder': absent.safetensors: no such weights file"),
        ({"kind": "no_such:Encoder"}, "no_such"),
    ],
)  # fmt: skip
def test_an_encoder_that_cannot_be_is_refused(tmp_path, encoder, said):
    """Breaks if missing weights show only once Ray runs."""
    assert said in complaint(made(tmp_path, encoder=encoder))


def test_weights_that_cannot_be_read_are_refused(tmp_path):
    """Breaks if a broken download is found out by a replica."""
    weights = tmp_path / "broken.safetensors"
    weights.write_bytes(b"\x08\0\0\0\0\0\0\0notjson!")
    text = complaint(made(tmp_path, encoder={"weights": str(weights)}))
    assert text.startswith("encoder 'encoder': ")
    assert "broken.safetensors" in text


def test_every_complaint_is_told_at_once(tmp_path):
    """Breaks if a configuration must be mended one error at a time."""
    config = made(tmp_path, gadget(driver="camra"), IMU | {"driver": "gyro"}, encoder=TOY)
    assert len(complaint(config).splitlines()) == 2


def test_a_misspelt_front_end_setting_is_refused_before_start(tmp_path):
    """Fails when a setting that no front end has is found out only by the encoder's replica."""
    options = {"front_ends": {"depth": {"scael": 1.0}}}
    config = made(tmp_path, encoder={"weights": "bindstream_tiny", "options": options})
    assert "scael" in complaint(config, devices=False, ports=False)
