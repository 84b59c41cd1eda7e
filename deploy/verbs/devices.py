"""``bindstream devices``: the cameras, microphones and serial ports of this machine, and the topics
of ROS 2 that a router on it knows.

Looks, and opens microphones alone (for a moment, to learn their rates). Never raises: where a
library is missing or a device cannot be asked, it says so in that place.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bindstream.command.sheet import hanging, terminal_width
from bindstream.extras import install_command

ANSWER_S = 5.0
VIDEO = Path("/sys/class/video4linux")
EXPLAINED = """\
The first line of each is what goes into options: of a stream in CONFIG, as in
  - {name: ears, modality: audio, driver: microphone, options: {device: ...}}
"""
Row = dict[str, Any]
"""One device: ``kind``, ``driver``, ``options`` that name it to the driver, ``name``, and what is
known of it; or ``kind`` and ``problem``; ``fix`` is the command that mends a problem."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``devices``."""
    parser.epilog = EXPLAINED
    parser.add_argument("--json", action="store_true", help="one object per line")


def run(args: argparse.Namespace) -> int:
    """Print what is there; 0 always."""
    for kind, look in LOOKS.items():
        rows = found(kind, look)
        if args.json:
            for row in rows:
                print(json.dumps(row), flush=True)
            continue
        print(f"{kind}s" if rows else f"{kind}s: none")
        for row in rows:
            print(_line(row), flush=True)
    return 0


def found(kind: str, look: Callable[[], Iterator[Row]]) -> list[Row]:
    """The devices of one kind; what went wrong in looking is a row too."""
    rows: list[Row] = []
    try:
        rows.extend({"kind": kind} | row for row in look())
    except ModuleNotFoundError as error:
        extra = f"needs {error.name}: {install_command('sensors')}"
        rows.append({"kind": kind, "problem": extra})
    except TimeoutError:
        rows.append({"kind": kind, "problem": f"no answer within {ANSWER_S:g} s: is it hung?"})
    except Exception as error:  # whatever a library raises, the other kinds are still listed
        rows.append({"kind": kind, "problem": f"{type(error).__name__}: {error}"})
    return rows


def cameras() -> Iterator[Row]:
    """V4L2 devices; of a camera's several nodes those that capture come first."""
    for node in sorted(VIDEO.glob("video*"), key=lambda p: int(p.name[5:] or 0)):
        path = f"/dev/{node.name}"
        row: Row = {"driver": "camera", "options": {"source": path}, "name": _text(node / "name")}
        if _text(node / "index") not in ("", "0"):
            row["note"] = "not the first node of its camera: often metadata, or another format"
        if not os.access(path, os.R_OK | os.W_OK):
            row |= _closed("video")
        yield row


def microphones() -> Iterator[Row]:
    """PortAudio's input devices and the rates at which each opens."""
    from sensors.audio import portaudio

    session = portaudio.begin(ANSWER_S)
    try:
        for device in session.inputs():
            rates = session.within(ANSWER_S, partial(session.rates_hz, device))
            yield {
                "driver": "microphone",
                "options": {"device": device.name},
                "name": device.name,
                "index": device.index,
                "channels": device.channels,
                "default_hz": device.default_hz,
                "rates_hz": rates,
            } | ({} if rates else {"problem": "does not open: busy?"})
    finally:
        session.close()


def serial_ports() -> Iterator[Row]:
    """Serial ports that have a device behind them."""
    from serial.tools import list_ports

    lasting = {link.resolve(): str(link) for link in Path("/dev/serial/by-id").glob("*")}
    for port in sorted(list_ports.comports()):
        if port.hwid == "n/a":  # a ttyS* that the kernel lists whether it is there or not
            continue
        path = lasting.get(Path(port.device).resolve(), port.device)
        row: Row = {"driver": "imu", "options": {"port": path}, "name": port.description}
        if not os.access(port.device, os.R_OK | os.W_OK):
            row |= _closed("dialout")
        yield row


def topics() -> Iterator[Row]:
    """Topics that rmw_zenoh's router on this machine knows and the driver reads."""
    from sensors.ros2 import discovery

    try:
        for found in discovery.readable(*discovery.LOCAL):
            row: Row = {"driver": "ros2", "options": found.options}
            row["name"] = f"{found.kind} of {found.node}"
            if found.options["modality"] == "depth":
                row["note"] = "wants fx_px and baseline_m too"
            yield row
    except ModuleNotFoundError as error:
        yield {"problem": f"needs {error.name}: {install_command('ros2')}"}


LOOKS = {
    "camera": cameras,
    "microphone": microphones,
    "serial port": serial_ports,
    "ROS 2 topic": topics,
}


def _closed(group: str) -> Row:
    fix = f"sudo usermod -aG {group} $USER   # then log in again"
    return {"problem": "no permission", "fix": fix}


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _line(row: Row) -> str:
    width = terminal_width()
    if "options" not in row:
        return hanging("  ! ", row["problem"], width)
    option = ", ".join(f"{key}: {value}" for key, value in row["options"].items())
    said = [] if row["name"] in row["options"].values() else [row["name"]]
    if "rates_hz" in row:
        said.append(f"{row['channels']} channels, {'/'.join(map(str, row['rates_hz']))} Hz")
    said += [f"! {row[key]}" for key in ("problem", "note") if key in row]
    lines = [f"  {option}", *(hanging("    ", part, width) for part in said if part)]
    return "\n".join([*lines, f"    -> {row['fix']}"] if "fix" in row else lines)
