"""Configurations for tests: a toy encoder, the simulated robot, free ports."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import yaml

from deploy.config import Config, load

TOY = {"kind": "tests.system.toy_encoder:ToyEncoder", "weights": None}
IMU = {"name": "imu", "modality": "imu", "driver": "world", "options": {"modality": "imu"}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write(folder: Path, *streams: dict[str, Any], port: int = 0, **args: Any) -> Path:
    """A file with these streams; the ports are free ones unless ``port`` (HTTP) is given."""
    content = {
        "http_options": {"host": "127.0.0.1", "port": port or free_port()},
        "applications": [
            {
                "name": "bindstream",
                "import_path": "deploy.app:build",
                "args": {
                    "encoder": TOY,
                    "streams": list(streams or (IMU,)),
                    "publish": {"endpoint": f"tcp://127.0.0.1:{free_port()}"},
                    **args,
                },
            }
        ],
    }
    path = folder / "robot.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def made(folder: Path, *streams: dict[str, Any], **args: Any) -> Config:
    return load(write(folder, *streams, **args))
