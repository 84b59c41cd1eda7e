"""Kill each part of a running robot in turn; see when the stream is back and what was lost.

The simulated robot of the shipped configuration under ``bindstream run``, and one subscriber that
writes down everything. Prints a Markdown table; about six minutes. ``--parts ears,encoder`` kills
those alone.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from benchmarks.soak import on_free_ports
from bindstream import Embedding, Subscriber, Tombstone
from deploy.config.file import load, shipped_path

STREAMS = ("front", "ears", "depth", "thermal", "imu")
START_S = 180.0
BACK_S = 60.0
AFTER_S = 6.0
"""How long after the stream is back its ages and gaps are watched."""
WANTED = {
    **dict.fromkeys(STREAMS, "reads again in <= 5 s, 0 unaccounted"),
    "encoder": "model load + 2 s",
    "publisher": "0 unaccounted, fresh at once",
    "publisher stopped 10 s": "newest first",
    "controller": "nothing seen",
    "proxy": "<= 5 s",
    "ingress": "<= 5 s",
    "raylet": "noticed in 2 s, exit 1, nothing left",
    "gcs_server": "noticed in 2 s, exit 1, nothing left",
    "run": "the next run ends what is left and delivers as from cold",
}
TITLES = {
    **{stream: f"ray::ServeReplica:{stream}:stream" for stream in STREAMS},
    "encoder": "ray::ServeReplica:encoder:encoder",
    **{name: f"ray::ServeReplica:robot:{name}" for name in ("publisher", "ingress")},
    "controller": "ray::ServeController",
    "proxy": "ray::ProxyActor",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One embedding or tombstone and when it came (Unix s)."""

    at_s: float
    stream: str
    epoch: int
    seq: int
    start_s: float
    end_s: float
    embedding: bool


@dataclass(slots=True)
class Row:
    """What was seen of one death."""

    part: str
    back: str
    unaccounted: str = "-"
    oldest: str = "-"
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        """As a row of the table."""
        said = "; ".join(self.notes) or "-"
        cells = (self.part, self.back, self.unaccounted, self.oldest, said, WANTED[self.part])
        return f"| {' | '.join(cells)} |"


class Ears:
    """A subscriber in a thread that forgets nothing."""

    def __init__(self, endpoint: str) -> None:
        self.heard: list[Heard] = []
        self._endpoint = endpoint
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def since(self, at_s: float) -> list[Heard]:
        return [one for one in list(self.heard) if one.at_s >= at_s]

    def _listen(self) -> None:
        with Subscriber(self._endpoint, topics=["embedding/"], tombstones=True) as stream:
            while not self._stop.is_set():
                one = stream.receive(0.2)
                if isinstance(one, Embedding | Tombstone):
                    self.heard.append(_heard(one))


def _heard(one: Embedding | Tombstone) -> Heard:
    return Heard(
        at_s=time.time(),
        stream=one.stream,
        epoch=one.epoch,
        seq=one.seq,
        start_s=one.start_ns / 1e9,
        end_s=one.end_ns / 1e9,
        embedding=isinstance(one, Embedding),
    )


class Robot:
    """``bindstream run`` with ports and folders of its own."""

    def __init__(self, folder: Path) -> None:
        document = on_free_ports(yaml.safe_load(shipped_path().read_text()))
        self._config = folder / "robot.yaml"
        self._config.write_text(yaml.safe_dump(document))
        self._http_port = document["http_options"]["port"]
        self.endpoint = load(self._config).robots[0].args.publish.endpoint
        self._log = folder / "stderr.txt"
        self.runtime_dir = folder / "run"
        self._env = {
            **os.environ,
            "BINDSTREAM_RUNTIME_DIR": str(self.runtime_dir),
            "BINDSTREAM_STATE_DIR": str(folder / "state"),
        }

    def start(self) -> None:
        """Start it; does not wait."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "bindstream.command.cli",
            "run",
            str(self._config),
            "--json",
        ]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=log, env=self._env
            )

    def find(self, part: str) -> psutil.Process:
        """The process of a part."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            words = " ".join(process.cmdline()).split()
            if process.name() == part or (words and words[0].partition(".")[0] == TITLES.get(part)):
                return process
        raise LookupError(f"no process of '{part}'")

    def said(self) -> str:
        """The end of what it wrote to standard error."""
        return self._log.read_text()[-1000:]

    def left(self) -> list[psutil.Process]:
        """What runs with this robot's environment, wherever it hangs by now."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("BINDSTREAM_RUNTIME_DIR") == str(self.runtime_dir):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def answers(self) -> bool:
        """Whether /healthz says something."""
        try:
            url = f"http://127.0.0.1:{self._http_port}/healthz"
            with urllib.request.urlopen(url, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def until(condition: Callable[[], bool], timeout_s: float) -> float | None:
    """Seconds until it held; None when it did not."""
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < timeout_s:
        if condition():
            return time.monotonic() - begun_s
        time.sleep(0.05)
    return None


def fresh(ears: Ears, streams: tuple[str, ...], since_s: float, after_epoch: int = 0) -> bool:
    """Whether each of them gave a vector of a window that ended after that moment, in a later
    epoch than that."""
    new = {
        one.stream
        for one in ears.since(since_s)
        if one.embedding and one.end_s > since_s and one.epoch > after_epoch
    }
    return set(streams) <= new


def missing(heard: list[Heard]) -> int:
    """Windows between the first and the last heard of their epoch that nobody told of."""
    told: dict[tuple[str, int], set[int]] = {}
    for one in heard:
        told.setdefault((one.stream, one.epoch), set()).add(one.seq)
    return sum(max(seqs) - min(seqs) + 1 - len(seqs) for seqs in told.values())


def die(robot: Robot, ears: Ears, part: str, stopped_s: float = 0.0) -> Row:
    """Kill (or stop for a while) one part of a robot that goes on; wait until all is back."""
    before_s = time.time()
    until(lambda: fresh(ears, STREAMS, before_s) and robot.answers(), BACK_S)
    victim, at_s = robot.find(part), time.time()
    if stopped_s:
        victim.suspend()
        time.sleep(stopped_s)
        victim.resume()
        at_s = time.time()
    else:
        victim.kill()
    watched = (part,) if part in STREAMS else STREAMS
    web = part in ("proxy", "ingress")
    if web:
        until(lambda: not robot.answers(), 2.0)
    back = until(robot.answers if web else lambda: fresh(ears, watched, at_s), BACK_S)
    back_s = None if back is None else time.time() - at_s
    time.sleep(AFTER_S)
    heard = ears.since(at_s)
    ages = [one.at_s - one.end_s for one in heard if one.embedding]
    name = f"{part} stopped {stopped_s:.0f} s" if stopped_s else part
    row = Row(name, f"{back_s:.1f} s" if back_s else f"not in {BACK_S:.0f} s")
    row.unaccounted = str(missing(ears.since(before_s)))
    row.oldest = f"{max(ages):.1f} s" if ages else "-"
    if part in STREAMS and back_s:  # its first window must first be filled: 5 s for the IMU
        first = next(
            one for one in heard if one.stream == part and one.end_s > at_s and one.embedding
        )
        row.notes.append(f"reads again after {max(0.0, first.start_s - at_s):.1f} s")
    if lost := sum(not one.embedding for one in heard if one.stream not in watched):
        row.notes.append(f"{lost} tombstones of other streams")
    return row


def fall(robot: Robot, part: str) -> Row:
    """Kill what the whole run stands on: it must end, and leave nothing."""
    robot.find(part).kill()
    begun_s = time.monotonic()
    try:
        code: int | str = robot.process.wait(30)
    except subprocess.TimeoutExpired:
        code = "does not end"
    row = Row(part, f"exit {code} after {time.monotonic() - begun_s:.1f} s")
    row.notes.append(f"{len(robot.left())} processes left")
    for process in robot.left():
        process.kill()
    return row


def run_killed(robot: Robot, ears: Ears) -> Row:
    """Kill ``run`` itself as the kernel would, and start it again at once."""
    robot.process.kill()
    robot.process.wait()
    left = robot.left()
    at_s = time.time()
    took_s = start(robot, ears)
    alive = [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    row = Row("run", f"{took_s:.1f} s")
    row.notes.append(f"{len(left)} processes left at first, {len(alive)} in the end")
    row.unaccounted = str(missing(ears.since(at_s)))
    return row


def start(robot: Robot, ears: Ears) -> float:
    """Start it and wait until all streams deliver; how long that took."""
    at_s = time.time()
    robot.start()
    before = max((one.epoch for one in list(ears.heard)), default=0)  # orphans may still speak
    took_s = until(lambda: fresh(ears, STREAMS, at_s, before), START_S)
    if took_s is None:
        raise SystemExit(f"the robot did not deliver within {START_S:.0f} s: {robot.said()}")
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(WANTED), help="of: %(default)s")
    chosen = parser.parse_args().parts.split(",")
    with tempfile.TemporaryDirectory(prefix="bs-deaths-", dir="/tmp") as folder:
        robot = Robot(Path(folder))
        ears = Ears(robot.endpoint)
        try:
            measure(robot, ears, [part for part in chosen if part in WANTED])
        finally:
            ears.close()
            if robot.process.poll() is None:
                robot.process.send_signal(signal.SIGTERM)
                robot.process.wait(30)


def measure(robot: Robot, ears: Ears, parts: list[str]) -> None:
    """Print the table, a row as soon as it is known."""
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} before; cold start ", end="", flush=True)
    print(f"{start(robot, ears):.1f} s\n")
    print("| died | back after | unaccounted | oldest age | and | wanted |")
    print("| --- | --- | --- | --- | --- | --- |")
    for part in parts:
        print(row_of(robot, ears, part).line(), flush=True)


def row_of(robot: Robot, ears: Ears, part: str) -> Row:
    """One death, on a robot that runs."""
    if robot.process.poll() is not None:
        start(robot, ears)
    if part in ("raylet", "gcs_server"):
        return fall(robot, part)
    if part == "run":
        return run_killed(robot, ears)
    name, stopped, _ = part.partition(" stopped")
    return die(robot, ears, name, stopped_s=10.0 if stopped else 0.0)


if __name__ == "__main__":
    main()
