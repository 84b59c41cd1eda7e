"""``bindstream doctor``: what is missing on this machine, and the exact command that gets it.

Needs the standard library and the base install alone, so that it works where nothing else does. A
check is a problem only if something the user has installed, or the README's next step, needs it.
"""

from __future__ import annotations

import argparse
import ctypes.util
import errno
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bindstream.command.sheet import hanging, terminal_width
from bindstream.extras import install_command
from deploy.live import environment
from deploy.verbs import devices

OK, NONE, NOTE, PROBLEM = "ok", "none", "note", "problem"
EXTRAS = {
    "sensors": ("opencv-python-headless", "PyAudio", "pyserial", "soxr", "pillow"),
    "server": ("ray", "pydantic", "PyYAML", "rich", "psutil", "torch", "torchaudio", "safetensors"),
    "realsense": ("pyrealsense2",),
    "recordings": ("mcap", "rosbags"),
    "index": ("pyarrow", "pandas"),
    "ros2": ("eclipse-zenoh", "rosbags"),
    "clip": ("open_clip_torch", "ftfy"),
    "bind": ("peft", "matplotlib"),
}
NEEDED_EXTRAS = ("sensors", "server")
PORTS = {5570: "the stream", 8000: "HTTP"}
SHM = Path("/dev/shm")  # noqa: S108 - looked at, never written to
SHM_WANTED_BYTES = 512 << 20


EXPLAINED = """\
  ok    found, and as it should be
  none  nothing of the kind is here; the simulated robot needs none
  note  only some uses need it; the line after -> gets it
  MISS  'bindstream run' needs it; the line after -> gets it; exit code 1
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ``status`` is ok | none | note | problem; ``fix`` a command, or empty.

    ``none``: nothing of the kind is here, which is neither well nor ill.
    """

    name: str
    status: str
    found: str
    fix: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``doctor``."""
    parser.epilog = EXPLAINED
    parser.add_argument("--json", action="store_true", help="one object per line")


def run(args: argparse.Namespace) -> int:
    """Print every finding; 1 if one is a problem."""
    findings = list(examine())
    for finding in findings:
        print(json.dumps(asdict(finding)) if args.json else _line(finding), flush=True)
    problems = sum(f.status == PROBLEM for f in findings)
    if not args.json:
        print(f"\n{problems} problem(s)" if problems else "\nready: bindstream run")
    return 1 if problems else 0


def examine() -> Iterator[Finding]:
    """Look at this machine, cheapest first."""
    for check in CHECKS:
        yield from check()


def _line(finding: Finding) -> str:
    mark = {OK: "ok", PROBLEM: "MISS"}.get(finding.status, finding.status)
    fix = f"\n{'':21}-> {finding.fix}" if finding.fix else ""
    return hanging(f"{mark:4}  {finding.name:14} ", finding.found, terminal_width()) + fix


def _python() -> Iterator[Finding]:
    yield Finding("python", OK, f"{platform.python_version()} at {sys.executable}")


def _extras() -> Iterator[Finding]:
    for extra, libraries in EXTRAS.items():
        absent = [library for library in libraries if _version(library) is None]
        if not absent:
            yield Finding(f"[{extra}]", OK, _versions(libraries))
            continue
        status = PROBLEM if extra in NEEDED_EXTRAS else NOTE
        found = f"without {', '.join(absent)}"
        yield Finding(f"[{extra}]", status, found, install_command(extra))


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions(libraries: tuple[str, ...]) -> str:
    return ", ".join(f"{library} {_version(library)}" for library in libraries)


def _opencv_twice() -> Iterator[Finding]:
    """The two OpenCV wheels overwrite each other's ``cv2``."""
    if _version("opencv-python") and _version("opencv-python-headless"):
        fix = f"{sys.executable} -m pip uninstall -y opencv-python opencv-python-headless && "
        fix += f"{sys.executable} -m pip install opencv-python-headless"
        yield Finding("opencv", PROBLEM, "opencv-python and opencv-python-headless both", fix)


def _ray_version() -> Iterator[Finding]:
    version = _version("ray")
    if version is not None and not version.startswith("2.60."):
        fix = f"{sys.executable} -m pip install 'ray[serve]>=2.60,<2.61'"
        yield Finding("ray", PROBLEM, f"{version}, tested with 2.60", fix)


def _torch() -> Iterator[Finding]:
    """In a process of its own: torch takes seconds and hundreds of MB to import."""
    if importlib.util.find_spec("torch") is None:
        return
    code = (
        "import torch; c = torch.cuda; print(torch.__version__, '|',"
        " c.get_device_name(0) if c.is_available() else '')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if told.returncode != 0:
        why = (told.stderr.strip().splitlines() or ["does not import"])[-1]
        fix = f"{sys.executable} -m pip install --force-reinstall torch torchaudio"
        yield Finding("torch", PROBLEM, why, fix)
        return
    version, _, gpu = (part.strip() for part in told.stdout.partition("|"))
    yield Finding("torch", OK, f"{version}, {gpu or 'no CUDA device: encoders run on the CPU'}")


def _cpu() -> Iterator[Finding]:
    flags = _cpu_flags()
    fast = [
        flag for flag in ("avx512_bf16", "amx_bf16", "bf16", "avx512f", "avx2") if flag in flags
    ]
    cores = len(os.sched_getaffinity(0))
    known = f"{cores} cores, {', '.join(fast) or 'no vector extension known to help'}"
    if not any("bf16" in flag for flag in fast):
        known += "; no bf16: large encoders run in float32"
    yield Finding("cpu", OK, known)


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {f for line in lines if line.startswith(("flags", "Features")) for f in line.split()}


def _audio() -> Iterator[Finding]:
    if ctypes.util.find_library("portaudio") is None:
        yield Finding("portaudio", PROBLEM, "no library", _apt("libportaudio2 portaudio19-dev"))
    else:
        yield Finding("portaudio", OK, "library found")
    if not (shutil.which("pulseaudio") or shutil.which("pipewire") or Path("/dev/snd").exists()):
        fix = _apt("pulseaudio pulseaudio-utils libasound2-plugins")
        yield Finding("sound", NOTE, "no sound server, no card: microphones cannot work", fix)


def _ffmpeg() -> Iterator[Finding]:
    if shutil.which("ffmpeg"):
        yield Finding("ffmpeg", OK, "found")
    else:
        yield Finding("ffmpeg", NOTE, "not here; the tests feed cameras with it", _apt("ffmpeg"))


def _apt(packages: str) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y {packages}"


def _devices() -> Iterator[Finding]:
    """What ``bindstream devices`` lists, kind by kind."""
    for kind, look in devices.LOOKS.items():
        yield from _of_kind(f"{kind}s", devices.found(kind, look))


def _of_kind(name: str, rows: list[devices.Row]) -> Iterator[Finding]:
    for row in rows:
        if "problem" in row:
            status = PROBLEM if "fix" in row else NOTE
            said = ": ".join([*map(str, row.get("options", {}).values()), row["problem"]])
            yield Finding(name, status, said, row.get("fix", ""))
    if not rows:
        yield Finding(name, NONE, f"no {name[:-1]} here")
    elif well := [row for row in rows if "problem" not in row]:
        listed = ", ".join(str(value) for row in well for value in row["options"].values())
        yield Finding(name, OK, f"{listed} (bindstream devices)")


def _ports() -> Iterator[Finding]:
    for port, use in PORTS.items():
        if _is_free(port):
            yield Finding(f"port {port}", OK, f"free for {use}")
        else:
            fix = f"ss -ltnp 'sport = :{port}'   # names the holder"
            yield Finding(
                f"port {port}",
                NOTE,
                f"{use} needs it: held, by a robot that runs or by another program",
                fix,
            )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def _space() -> Iterator[Finding]:
    """Ray keeps its objects in shared memory."""
    name = str(SHM)
    if not SHM.is_dir():
        yield Finding(name, PROBLEM, "not here", f"sudo mount -t tmpfs tmpfs {SHM}")
        return
    free = shutil.disk_usage(SHM).free
    found = f"{free / 2**30:.1f} GiB free"
    if free >= SHM_WANTED_BYTES:
        yield Finding(name, OK, found)
    else:
        fix = f"sudo mount -o remount,size=2G {SHM}   # in a container: docker run --shm-size=2g"
        yield Finding(name, PROBLEM, f"{found}; Ray wants 0.5 GiB", fix)


def _environment() -> Iterator[Finding]:
    """Variables that reach into a robot's processes, or look as if they did."""
    found = list(environment.remarks(os.environ))
    for remark in found:
        yield Finding("environment", NOTE, remark)
    if not found:
        yield Finding("environment", OK, "no proxy, nothing of Ray's, OpenMP's or Python's is set")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _extras,
    _opencv_twice,
    _ray_version,
    _torch,
    _cpu,
    _audio,
    _ffmpeg,
    _devices,
    _ports,
    _space,
    _environment,
)
