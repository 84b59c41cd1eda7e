"""``bindstream init``: what is plugged in here, as a commented configuration.

Cameras, microphones, serial ports, RealSense cameras, topics of ROS 2: looked for as ``devices``
does, then each is opened once. What does not work is written too, as a comment that says why.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bindstream.errors import BindstreamError, ConfigError
from bindstream.types import Modality
from deploy.config.draft import Finding, drafted, named
from deploy.config.file import load, shipped_path
from deploy.config.preflight import preflight
from deploy.verbs import devices
from pipeline.sensing.border import rate_of, samples_of
from sensors import load as driver_of

OUT = Path("my_robot.yaml")
TRY_S = 1.0
NOTHING = "nothing found that works: {out} is the simulated robot"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--out", type=Path, default=OUT, metavar="F", help="what is written (default: %(default)s)"
    )
    parser.add_argument(
        "--router", type=_router, metavar="A", help="of a ROS 2 robot, if not tcp/127.0.0.1:7447"
    )
    parser.add_argument("--force", action="store_true", help="in place of a file that is there")


def run(args: argparse.Namespace) -> int:
    """0 once the file is written, whatever was found. Raises ConfigError, and then none is."""
    out: Path = args.out
    if out.exists() and not args.force:
        raise ConfigError(f"{out} is there already: name another --out, or write over it (--force)")
    findings = tried(found(args.router))
    for one in findings:
        said = f"not used: {one.fault}" if one.fault else one.gives
        print(f"{one.name:10} {one.modality:8} {one.about}: {said}", file=sys.stderr)
    words = " ".join(["bindstream init", *(["--out", str(out)] if out != OUT else [])])
    _write(out, drafted(shipped_path().read_text(), findings, words))
    works = sum(not one.fault for one in findings)
    if not works:
        print(NOTHING.format(out=out), file=sys.stderr)
    preflight(load(out), devices=False, ports=False)
    print(f"{out} written: {works} sensors. Try it: bindstream check {out}")
    return 0


def found(router: str | None = None) -> list[Finding]:
    """All that this machine has, opened or not; ``router``: of ROS 2, if not the usual one."""
    findings = list[Finding]()
    for look in (LOOKS | {"ROS 2": partial(ros2_topics, router)}).values():
        for finding in look():
            name = named(finding.name, (one.name for one in findings))
            findings.append(replace(finding, name=name))
    return findings


def tried(findings: Iterable[Finding]) -> list[Finding]:
    """The same, each opened once where nothing was wrong with it; what it gave, or why not."""
    return [one if one.fault else _tried(one) for one in findings]


def cameras() -> Iterator[Finding]:
    """By what their maker calls them; of a camera's several nodes those that capture."""
    for row in devices.found("camera", devices.cameras):
        if "options" not in row or "note" in row:
            continue
        name, source = row["name"], row["options"]["source"]
        thermal = any(word in name.lower() for word in ("purethermal", "lepton", "flir"))
        driver, modality = ("thermal", Modality.THERMAL) if thermal else ("camera", Modality.VISION)
        options = {"source": source}
        base = "heat" if thermal else "front"
        yield Finding(base, modality, driver, options, name or source, fault=row.get("problem", ""))


def microphones() -> Iterator[Finding]:
    """The one that the system takes by itself, and all that can be named, as comments."""
    rows = [r for r in devices.found("microphone", devices.microphones) if "options" in r]
    works = [row for row in rows if "problem" not in row]
    usual = next((r for r in works if r["name"].lower() in ("default", "pulse")), None)
    chosen = usual or (works[0] if works else None)
    for row in sorted(rows, key=lambda r: r is not chosen):
        fault = row.get("problem", "") or ("" if row is chosen else "another one is used")
        yield Finding(
            "ears", Modality.AUDIO, "microphone", row["options"], row["name"], fault=fault
        )


def serial_imus() -> Iterator[Finding]:
    """Serial ports, by what comes out of them."""
    for row in devices.found("serial port", devices.serial_ports):
        if "options" not in row:
            continue
        options, fault = row["options"], row.get("problem", "")
        if not fault:
            options, fault = _overheard(options)
        yield Finding("imu", Modality.IMU, "imu", options, row["name"], fault=fault)


def realsense() -> Iterator[Finding]:
    """Cameras of librealsense, where its library is installed."""
    try:
        import pyrealsense2 as rs
    except ModuleNotFoundError:
        return
    for device in rs.context().query_devices():
        serial = device.get_info(rs.camera_info.serial_number)
        about = device.get_info(rs.camera_info.name)
        yield Finding("depth", Modality.DEPTH, "realsense", {"serial": serial}, about)


def ros2_topics(router: str | None = None) -> Iterator[Finding]:
    """Topics that a router of rmw_zenoh knows, where the libraries are installed."""
    try:
        from sensors.ros2 import discovery
        from sensors.ros2.discovery import LOCAL

        place = f"tcp/{LOCAL[0]}:{LOCAL[1]}" if router is None else router
        host, _, port = place.removeprefix("tcp/").rpartition(":")
        topics = list(discovery.readable(host, int(port)))
    except (ModuleNotFoundError, ConnectionError):  # no router there: no robot of ROS 2
        return
    for one in topics:
        modality = Modality(one.options["modality"])
        options = one.options | ({} if router is None else {"router": place})
        base = one.options["topic"].strip("/").replace("/", "_").lower()[:60]
        yield Finding(base, modality, "ros2", options, f"ROS 2: {one.kind} of {one.node}")


LOOKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "camera": cameras,
    "microphone": microphones,
    "serial port": serial_imus,
    "RealSense": realsense,
    "ROS 2": ros2_topics,
}
"""Where sensors are looked for; a new kind of device is one function and one line."""


def _router(text: str) -> str:
    if not re.fullmatch(r"(tcp/)?[^\s/:]+:\d{1,5}", text):
        wanted = "wants the address of a router, such as tcp/192.168.1.5:7447"
        raise argparse.ArgumentTypeError(f"{wanted}, got '{text}'")
    return "tcp/" + text.removeprefix("tcp/")


def _overheard(options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    from sensors.serial.guess import overheard

    try:
        heard, fault = overheard(options["port"])
    except BindstreamError as error:
        return options, _said(error)
    return heard or options, fault


def _tried(one: Finding) -> Finding:
    driver = None
    try:
        driver = driver_of(one.driver)(one.name, **one.options)
        driver.open(time.time_ns)
        shape, until_s = None, time.monotonic() + TRY_S
        while shape is None and time.monotonic() < until_s:
            shape = next((s.data.shape for s in samples_of(driver.read(0.2))), None)
        return replace(one, gives=_given(one.modality, shape, rate_of(driver)))
    except BindstreamError as error:
        return replace(one, fault=_said(error))
    except Exception as error:  # of a library, about a device that it does not understand
        return replace(one, fault=f"{type(error).__name__}: {error}")
    finally:
        if driver is not None:
            with contextlib.suppress(Exception):
                driver.close()


def _given(modality: Modality, shape: tuple[int, ...] | None, rate_hz: float) -> str:
    if modality in (Modality.AUDIO, Modality.IMU) or shape is None:
        return f"{rate_hz:.3g} Hz" if modality is not Modality.AUDIO else "hears"
    return f"{shape[1]} x {shape[0]} at {rate_hz:.3g} Hz"


def _said(error: BindstreamError) -> str:
    """Without the stream's name, which nobody gave it."""
    return str(error).partition("': ")[2] or str(error)


def _write(out: Path, text: str) -> None:
    draft = out.with_name(f".{out.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(out)
