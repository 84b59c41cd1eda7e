"""A Ray of our own for ``bindstream run``: own folder, free ports, a random token, and an end.

It never joins a Ray that it finds, and ends with every process below this one.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from bindstream.errors import BindstreamError
from deploy.live import environment, processes
from deploy.live.leftovers import Note
from deploy.live.processes import Identity, identity, lives

_log = logging.getLogger(__name__)
LATE_S = 30.0
"""Ray waits up to 60 s for its parts: an error after less has another cause than a busy machine."""
_PILLARS = ("gcs_server", "raylet")
_HELPERS = (
    "ray/autoscaler/_private/monitor.py",
    "ray/dashboard/dashboard.py",
    "ray/_private/log_monitor.py",
)


def prepare() -> None:
    """Set the environment that our Ray and its processes inherit. Before ray is imported."""
    environment.choose(os.environ)
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


class PrivateRay:
    """One Ray head below this process. ``prepare`` must have been called before ray was imported.

    ``start`` and ``stop`` belong to one thread that outlives them both: Linux ends Ray's processes
    with the thread that started them. ``cpus``: as many as Ray is to believe in, at least this
    machine's. ``store_bytes``: what its object store may hold; nothing of a robot goes through it.
    """

    def __init__(self, cpus: int = 2, store_bytes: int = 128 << 20) -> None:
        self._cpus, self._store_bytes = cpus, store_bytes
        self._note: Note | None = None
        self._pillars: dict[str, Identity] = {}

    def start(self) -> None:
        """Returns when the head runs. Raises BindstreamError when it does not."""
        processes.adopt_orphans()
        # Ray opens what it makes to every user (0777): it stands in a folder that is ours alone.
        begun_s = time.monotonic()
        try:
            folder = Path(tempfile.mkdtemp(prefix="bs-", dir="/tmp"))
            self._note = Note(folder)
            self._note.write()
            _init(folder / "r", self._cpus, self._store_bytes)
        except Exception as error:  # Ray raises a bare Exception when a process is late
            said = cause(error, time.monotonic() - begun_s)
            raise BindstreamError(f"Ray did not start: {said}") from error
        helpers = _superfluous()
        processes.kill(helpers)  # asked politely, the autoscaler calls it a failure
        self._pillars = _pillars()
        self.note()

    def note(self) -> None:
        """Remember every process below us, for the next run to reap should we be killed. What
        cannot be written costs that alone."""
        try:
            if self._note:
                self._note.write()
        except OSError as error:
            _log.warning("%s: should this run be killed, some of its processes may stay", error)

    def fallen(self) -> str:
        """Which part that all else stands on has died; empty while they live."""
        gone = [name for name, one in self._pillars.items() if not lives(one)]
        return f"Ray's {' and '.join(gone)} died" if gone else ""

    def stop(self) -> None:
        """Leave Ray as a driver should; may take a minute where the head is dead."""
        import ray

        self._pillars = {}  # from here on they may go
        ray.shutdown()

    def end(self) -> None:
        """Whatever state it is in: end every process below us, and leave no folder behind."""
        self._pillars = {}
        processes.kill_all_below()
        if self._note:
            self._note.tear_up()


def _init(folder: Path, cpus: int, store_bytes: int) -> None:
    import ray

    options: dict[str, Any] = {
        "address": "local",
        "num_cpus": max(cpus, os.cpu_count() or 1),
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "_temp_dir": str(folder),
        "_node_ip_address": "127.0.0.2",  # Ray turns 127.0.0.1 into the network's address
        "object_store_memory": store_bytes,
    }
    logging.getLogger("ray").setLevel(logging.ERROR)  # before it says that it sets no signals
    ray.init(**options)


def cause(error: Exception, took_s: float) -> str:
    """In one line; advice to wait only where something was waited for."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if took_s < LATE_S:
        return said
    return (
        f"{said} A machine without a free core needs longer than Ray waits (60 s): "
        "try again when it is less busy"
    )


def _superfluous() -> list[psutil.Process]:
    """Ray's helpers for many machines and many users: one robot's run has no use for them, and the
    autoscaler's shows its counters to the whole network."""
    below = psutil.Process().children()
    return [p for p in below if any(part in " ".join(p.cmdline()) for part in _HELPERS)]


def _pillars() -> dict[str, Identity]:
    """The two processes without which nothing is restarted any more."""
    found = {}
    for process in psutil.Process().children():
        one = identity(process.pid)
        if process.name() in _PILLARS and one:
            found[process.name()] = one
    return found
