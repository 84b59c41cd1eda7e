"""Configurations for tests: a toy encoder, the simulated robot, free ports."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import yaml

from deploy.config.file import Config, load

TOY = {"kind": "tests.system.toy_encoder:ToyEncoder", "weights": None}
IMU = {"name": "imu", "modality": "imu", "driver": "world", "options": {"modality": "imu"}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write(folder: Path, *streams: dict[str, Any], port: int = 0, **args: Any) -> Path:
    """A file with these streams; the ports are free ones unless ``port`` (HTTP) is given.

    ``args``: ``encoder`` (one, or a map of names), ``robot``, ``publish``, ``labels``, ``scene``.
    """
    path = folder / "robot.yaml"
    path.write_text(yaml.safe_dump(document(*streams, port=port, **args)))
    return path


def document(*streams: dict[str, Any], port: int = 0, **args: Any) -> dict[str, Any]:
    """The file as a map: each encoder, robot and stream an application of its own."""
    encoder = args.pop("encoder", TOY)
    encoders = {"encoder": encoder} if "kind" in encoder or "weights" in encoder else encoder
    live = {key: args.pop(key) for key in ("labels", "scene", "expect") if key in args}
    robot = args.pop("robot", {})
    told = {"publish": {"endpoint": f"tcp://127.0.0.1:{free_port()}"}, **robot, **args}
    apps = [_app(name, "encoder", None, one) for name, one in encoders.items()]
    apps += [_app(f"stream-{s['name']}", "stream", None, s) for s in streams or (IMU,)]
    apps.append(
        _app("robot", "robot", "/", told)
        | {"deployments": [{"name": "publisher", "user_config": live}]}
    )
    return {
        "http_options": {"host": "127.0.0.1", "port": port or free_port()},
        "applications": apps,
    }


def _app(name: str, builder: str, route: str | None, args: dict[str, Any]) -> dict[str, Any]:
    path = f"deploy.app:{builder}"
    return {"name": name, "import_path": path, "route_prefix": route, "args": args}


def made(folder: Path, *streams: dict[str, Any], **args: Any) -> Config:
    return load(write(folder, *streams, **args))
