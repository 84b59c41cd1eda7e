"""Whether any process of a running robot grows: the memory of each, for as long as asked.

    python -m benchmarks.soak [--minutes 60] [--config ray_config.yaml] [--json] [--plot F.png]

Runs ``bindstream run`` as a user does, on free ports, and reads each process's anonymous memory
(its own heap and stacks; the libraries' files are shared) every ten seconds, and the size of Ray's
logs, which /tmp may hold in memory. The first quarter, or ten minutes if that is more, warms up
and is not judged. To the rest a line is fitted through twelve medians (Theil-Sen: the median of
the slopes between any two, and the interval that holds the true one 95 times of 100).

Exit code 1 when a process surely rises, by more than 1 MB/h (in less than an hour: by more than
6 MB in all), or did not live to the end; 2 when the robot did not start.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml

from benchmarks.end_to_end import first_vectors
from deploy.config.file import load, shipped_path
from tests.system.robot import free_port, title

EVERY_S = 10.0
START_S = 180.0
WARM_UP, WARM_UP_S = 0.25, 600.0
"""The part of the time in which a process fills what it then keeps for good: at least ten minutes,
if they are not more than half of it."""
BLOCKS = 12
HOUR_MB = 1.0
"""What a process may grow by in an hour, when a run lasts one."""
SETTLING_MB = 6.0
"""By how much a heap breathes that makes and frees large arrays (the microphone's of the world went
back and forth by 5 MB): a run below an hour cannot tell less from growth."""
NO_PID = 0
"""Of the row that is no process."""
IDLE = "ray::IDLE"
"""Ray starts and ends workers that have no work as it likes."""


@dataclass
class Track:
    """One process: its name, and its anonymous memory (MB) by the second it was read at."""

    name: str
    at_s: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """One row of the table. The slope and the ends of its 95 % interval are in MB/h; ``fault`` is
    empty when all is well."""

    process: str
    pid: int
    mb: float
    slope: float
    low: float
    high: float
    fault: str


def main() -> int:
    """Run, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--config", type=Path, help="default: as shipped")
    parser.add_argument("--json", action="store_true", help="one object per process")
    parser.add_argument("--plot", type=Path, help="a picture of all processes (matplotlib)")
    args = parser.parse_args()
    seconds = args.minutes * 60
    try:
        with robot(args.config or shipped_path()) as process:
            tracks = watch(process, seconds)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    verdicts = judge(tracks, seconds)
    if args.json:
        print("\n".join(json.dumps(asdict(verdict)) for verdict in verdicts))
    else:
        print(table(verdicts, args.minutes))
    if args.plot:
        plot(tracks, args.plot)
    return int(any(verdict.fault for verdict in verdicts))


# the robot --------------------------------------------------------------------------------------


@contextlib.contextmanager
def robot(config: Path) -> Iterator[psutil.Process]:
    """``bindstream run`` on free ports; yields once every stream has delivered. Raises RuntimeError
    when that does not come to pass."""
    wanted = {stream.name for stream in load(config).streams}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        copy = Path(folder) / "ray_config.yaml"
        copy.write_text(yaml.safe_dump(on_free_ports(yaml.safe_load(config.read_text()))))
        command = [sys.executable, "-m", "bindstream.command.cli", "run", str(copy), "--json"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        too_late = threading.Timer(START_S, child.terminate)
        too_late.start()
        try:
            started = first_vectors(child, wanted)
            too_late.cancel()
            if missing := wanted - started.keys():
                said = Path(log.name).read_text()[-2000:]
                raise RuntimeError(f"no vector of {sorted(missing)} in {START_S:g} s\n{said}")
            yield psutil.Process(child.pid)
        finally:
            too_late.cancel()
            child.terminate()
            child.communicate(timeout=60)


def on_free_ports(document: dict[str, Any]) -> dict[str, Any]:
    """The same robot beside another one."""
    document.setdefault("http_options", {})["port"] = free_port()
    for application in document["applications"]:
        if "publish" in application.get("args", {}):
            endpoint = f"tcp://127.0.0.1:{free_port()}"
            application["args"]["publish"]["endpoint"] = endpoint
    return document


def watch(root: psutil.Process, seconds: float) -> dict[int, Track]:
    """By pid, what every process of the robot held. Raises RuntimeError when the robot ends."""
    tracks: dict[int, Track] = {}
    begin_s = time.monotonic()
    while (at_s := time.monotonic() - begin_s) < seconds:
        if root.status() == psutil.STATUS_ZOMBIE:
            raise RuntimeError(f"the robot ended after {at_s:.0f} s")
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, OSError):  # it has just ended
                mb, name = anonymous_mb(process.pid), named(process, root)
                _note(tracks, process.pid, name, at_s, mb)
        _note(tracks, NO_PID, "Ray's logs", at_s, files_mb(log_folder(root)))
        time.sleep(min(EVERY_S, seconds / 48))
    return tracks


def _note(tracks: dict[int, Track], pid: int, name: str, at_s: float, mb: float) -> None:
    track = tracks.setdefault(pid, Track(name))
    track.name = name  # Ray gives an idle worker its title later
    track.at_s.append(at_s)
    track.mb.append(mb)


def log_folder(root: psutil.Process) -> Path:
    """Where Ray's processes write. Raises RuntimeError when the head is gone."""
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for word in process.cmdline():
                if word.startswith("--log_dir="):
                    return Path(word.partition("=")[2])
    raise RuntimeError("no process below the robot says where Ray's logs are: is its head dead?")


def files_mb(folder: Path) -> float:
    """What the files in a folder and below it hold, in MB (2^20)."""
    held = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # rotated away
            held += path.lstat().st_size
    return held / 2**20


def anonymous_mb(pid: int) -> float:
    """Memory of its own that no file stands behind, in MB (2^20); swapped out or not."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kb = dict(line.split()[:2] for line in rollup[1:])
    return (int(kb["Anonymous:"]) + int(kb["Swap:"])) / 1024


def named(process: psutil.Process, root: psutil.Process) -> str:
    """``bindstream run``, a deployment as Serve names it, or one of Ray's own."""
    if process.pid == root.pid:
        return "bindstream run"
    said = title(process)
    return said.removeprefix("ray::ServeReplica:") if said.startswith("ray::") else process.name()


# the verdict ------------------------------------------------------------------------------------


def judge(tracks: dict[int, Track], seconds: float) -> list[Verdict]:
    """One verdict for each process that stood when the warm-up ended, by name."""
    from_s, last_s = warm_up_s(seconds), max(track.at_s[-1] for track in tracks.values())
    stood = {
        pid: track
        for pid, track in tracks.items()
        if track.at_s[0] <= from_s < track.at_s[-1] and not track.name.startswith(IDLE)
    }
    verdicts = [
        _verdict(pid, track, from_s, seconds, alive=track.at_s[-1] == last_s)
        for pid, track in stood.items()
    ]
    return sorted(verdicts, key=lambda verdict: verdict.process)


def _verdict(pid: int, track: Track, from_s: float, seconds: float, *, alive: bool) -> Verdict:
    at_s, mb = np.array(track.at_s), np.array(track.mb)
    later = at_s >= from_s
    slope, low, high = slope_mb_per_hour(at_s[later], mb[later])
    rises = slope > bound_mb_per_hour(seconds) and low > 0
    fault = "grows" if rises else ""
    return Verdict(track.name, pid, track.mb[-1], slope, low, high, fault if alive else "ended")


def warm_up_s(seconds: float) -> float:
    """How much of a run of that length is not judged."""
    return max(WARM_UP * seconds, min(WARM_UP_S, seconds / 2))


def bound_mb_per_hour(seconds: float) -> float:
    """The slope that a run of that length may show."""
    return HOUR_MB if seconds >= 3600 else max(HOUR_MB, SETTLING_MB * 3600 / seconds)


def slope_mb_per_hour(at_s: np.ndarray, mb: np.ndarray) -> tuple[float, float, float]:
    """The Theil-Sen slope of ``mb`` (N,) over ``at_s`` (N,), and its 95 % interval.

    Through the medians of ``BLOCKS`` blocks, since neighbouring readings of a heap are not
    independent. The interval is Sen's (1968), by the normal approximation to Kendall's S. NaN and
    an endless interval for fewer than four readings.
    """
    if len(mb) < 4:
        return float("nan"), float("-inf"), float("inf")
    blocks = min(BLOCKS, len(mb))
    times = [float(np.median(part)) for part in np.array_split(at_s, blocks)]
    medians = [float(np.median(part)) for part in np.array_split(mb, blocks)]
    points = zip(times, medians, strict=True)
    slopes = sorted((m2 - m1) / (t2 - t1) * 3600 for (t1, m1), (t2, m2) in combinations(points, 2))
    spread = 1.96 * np.sqrt(blocks * (blocks - 1) * (2 * blocks + 5) / 18)
    first = max(0, round((len(slopes) - spread) / 2))
    return float(np.median(slopes)), slopes[first], slopes[-1 - first]


# what is shown ----------------------------------------------------------------------------------


def table(verdicts: list[Verdict], minutes: float) -> str:
    """Markdown, as docs/benchmarks.md holds it."""
    bound = bound_mb_per_hour(minutes * 60)
    lines = ["| process | MB at the end | MB/h | 95 % | |", "|---|---|---|---|---|"]
    lines += [
        f"| {v.process} | {v.mb:.1f} | {v.slope:+.2f} | {v.low:+.2f} to {v.high:+.2f} | {v.fault} |"
        for v in verdicts
    ]
    return "\n".join([*lines, f"\n{minutes:g} minutes; at most {bound:.2g} MB/h"])


def plot(tracks: dict[int, Track], path: Path) -> None:
    """Growth of every process since the end of the warm-up, as a PNG."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 6))
    last_s = max(track.at_s[-1] for track in tracks.values())
    for track in sorted(tracks.values(), key=lambda track: track.name):
        at_s = np.array(track.at_s)
        if at_s[-1] > warm_up_s(last_s):
            base = track.mb[int(np.searchsorted(at_s, warm_up_s(last_s)))]
            axes.plot(at_s / 60, np.array(track.mb) - base, label=track.name)
    axes.axvline(warm_up_s(last_s) / 60, color="grey", linewidth=0.5)
    axes.set(xlabel="minutes", ylabel="MB since the warm-up")
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(path, dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    sys.exit(main())
