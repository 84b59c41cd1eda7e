"""``bindstream check``: validate a configuration; start nothing."""

from __future__ import annotations

import argparse
from collections.abc import Sized
from pathlib import Path

from deploy.config.file import load, shipped_path
from deploy.config.preflight import preflight


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="a ray_config.yaml")
    parser.add_argument("--no-devices", action="store_true", help="do not open the sensors")
    parser.add_argument("--no-ports", action="store_true", help="do not look at the ports")


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError, which the command turns into exit code 2."""
    path = args.config or shipped_path()
    config = load(path)
    drivers = preflight(config, devices=not args.no_devices, ports=not args.no_ports)
    opened = "" if args.no_devices else ", every sensor opened"
    found = (
        f"{_n(config.robots, 'robot')}, {_n(drivers, 'stream')}, {_n(config.encoders, 'encoder')}"
    )
    print(f"{path}: fine. {found}{opened}.")
    return 0


def _n(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"
