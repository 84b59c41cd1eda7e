"""A Ray of our own for ``bindstream run``: own folder, free ports, a random token, and an end.

It never joins a Ray that it finds, is ended by its own pids, and what a killed run left behind is
reaped by the next one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import shutil
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from bindstream.errors import BindstreamError
from bindstream.runtime_dir import runtime_dir

_log = logging.getLogger(__name__)
STOP_S = 10.0
_FOREIGN = ("RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH", "RAY_NAMESPACE", "RAY_JOB_ID")
_HELPERS = (
    "ray/autoscaler/_private/monitor.py",
    "ray/dashboard/dashboard.py",
    "ray/_private/log_monitor.py",
)
_CALM = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
    "RAY_DEDUP_LOGS": "0",
    "RAY_event_stats_print_interval_ms": "0",  # its own statistics: 9 MB/h of logs under /tmp
    "RAY_ROTATION_MAX_BYTES": str(4 << 20),  # of each process's log, and one older
    "RAY_ROTATION_BACKUP_COUNT": "1",
    "RAY_enable_metrics_collection": "0",  # its port would answer the whole network
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # 15 by default: sensors would starve beside any other program
    "OPENCV_FOR_THREADS_NUM": "1",  # one sensor's small frames are not worth a pool of threads
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
}


def prepare() -> None:
    """Set the environment that our Ray and its processes inherit. Before ray is imported."""
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(_CALM)
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


class PrivateRay:
    """A context: Ray runs inside it, and nothing of it is left after it.

    ``prepare`` must have been called before ray was imported.
    """

    def __init__(self, *, cpus: int | None = None, dashboard: bool = False) -> None:
        self._cpus = cpus
        self._dashboard = dashboard
        self._folder: Path | None = None
        self._record: Path | None = None

    def __enter__(self) -> PrivateRay:
        reap()
        self._folder = Path(tempfile.mkdtemp(prefix="bs-", dir="/tmp"))
        self._record = runtime_dir() / f"run-{os.getpid()}.json"
        _write_record(self._record, self._folder, [])
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        import ray

        options: dict[str, Any] = {
            "address": "local",
            "num_cpus": self._cpus or max(2, os.cpu_count() or 1),
            "include_dashboard": self._dashboard,
            "log_to_driver": False,
            "logging_level": logging.ERROR,
            "_temp_dir": str(self._folder),
            "_node_ip_address": "127.0.0.2",  # Ray turns 127.0.0.1 into the network's address
            "object_store_memory": 128 << 20,  # nothing of ours goes through it
        }
        try:
            ray.init(**options)
        except Exception as error:  # Ray raises a bare Exception when a process is late
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BindstreamError(
                f"Ray did not start: {said} A machine without a free core needs longer than Ray "
                "waits (60 s): try again when it is less busy"
            ) from error
        helpers = _superfluous()
        for helper in helpers:
            _signal(helper, insist=True)  # asked politely, the autoscaler calls it a failure
        psutil.wait_procs(helpers, timeout=2)
        self.note_pids()

    def note_pids(self) -> None:
        """Remember every process below us, for the next run to reap should we be killed."""
        if self._record and self._folder:
            _write_record(self._record, self._folder, psutil.Process().children(recursive=True))

    def alive(self) -> bool:
        """Whether the head still runs."""
        below = psutil.Process().children()
        return any(p.is_running() and "gcs_server" in p.name() for p in below)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import ray

        below = psutil.Process().children(recursive=True)
        leaving = threading.Thread(target=ray.shutdown, daemon=True)
        leaving.start()
        leaving.join(STOP_S if self.alive() else 1.0)  # it waits a minute for a dead head
        _end(below)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._record:
            self._record.unlink(missing_ok=True)


def reap() -> int:
    """End what runs that were killed left behind; returns how many processes that were."""
    ended = 0
    for record in runtime_dir().glob("run-*.json"):
        try:
            left = json.loads(record.read_text())
            owner, folder = _same_process(left["owner"]), left["folder"]
            found = [p for p in map(_same_process, left["processes"]) if p is not None]
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            _log.warning("%s is damaged and left alone: %s", record, error)
            continue
        if owner is not None:
            continue
        orphans = {p for one in found for p in (one, *_below(one))}
        ended += len(orphans)
        _end(list(orphans))
        shutil.rmtree(folder, ignore_errors=True)
        record.unlink(missing_ok=True)
    return ended


def _below(process: psutil.Process) -> list[psutil.Process]:
    """Its children too: a replica may have been started after the last note."""
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _superfluous() -> list[psutil.Process]:
    """Ray's helpers for many machines and many users: one robot's run has no use for them, and the
    autoscaler's shows its counters to the whole network."""
    below = psutil.Process().children()
    return [p for p in below if any(part in " ".join(p.cmdline()) for part in _HELPERS)]


def _write_record(path: Path, folder: Path, processes: list[psutil.Process]) -> None:
    content = {
        "owner": _identity(psutil.Process()),
        "folder": str(folder),
        "processes": [i for i in map(_identity, processes) if i],
    }
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content))
    draft.replace(path)


def _identity(process: psutil.Process) -> list[float] | None:
    """Pid and start time: a pid alone may have been given to somebody else since."""
    try:
        return [process.pid, process.create_time()]
    except psutil.NoSuchProcess:
        return None


def _same_process(identity: list[float]) -> psutil.Process | None:
    try:
        process = psutil.Process(int(identity[0]))
        dead = process.status() == psutil.STATUS_ZOMBIE  # killed, and not yet waited for
        return process if not dead and abs(process.create_time() - identity[1]) < 1 else None
    except psutil.NoSuchProcess:
        return None


def _end(processes: list[psutil.Process]) -> None:
    """Ask, wait, insist."""
    for process in processes:
        _signal(process, insist=False)
    _, alive = psutil.wait_procs(processes, timeout=STOP_S / 2)
    for process in alive:
        _signal(process, insist=True)
    psutil.wait_procs(alive, timeout=STOP_S / 2)


def _signal(process: psutil.Process, *, insist: bool) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill() if insist else process.terminate()
