"""Processes of this machine: named for good, found below us, ended. Linux."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_DEAD = "ZX"
_START_TICKS = 19  # of the fields after the name


class Identity(NamedTuple):
    """Pid and start in clock ticks since boot. A pid alone may have been given to somebody else
    since; a start as a time of day (psutil's) moves whenever the wall clock is set."""

    pid: int
    ticks: int


def boot_id() -> str:
    """This boot's own name: identities of another one mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identity(pid: int) -> Identity | None:
    """The live process of that number; None for none, and for one that nobody has waited for."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in _DEAD else Identity(pid, int(rest[_START_TICKS - 1]))


def lives(one: Identity) -> bool:
    """Whether that very process still runs."""
    return identity(one.pid) == one


def adopt_orphans() -> None:
    """Children whose parent dies become ours, not init's: so whatever dies, all stay in sight."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def below(pid: int | None = None) -> list[psutil.Process]:
    """Every process under that one (this one by default)."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def kill(processes: Iterable[psutil.Process], timeout_s: float = 2.0) -> None:
    """SIGKILL, and wait until they are gone."""
    found = list(processes)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=timeout_s)


def kill_all_below(timeout_s: float = 4.0) -> None:
    """End every process under this one, also those that are started meanwhile."""
    until_s = time.monotonic() + timeout_s
    while (found := [p for p in below() if identity(p.pid)]) and time.monotonic() < until_s:
        kill(found, timeout_s=0.5)
