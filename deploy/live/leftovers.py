"""What a run that was killed leaves behind: written down while it lives, ended by the next one."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import psutil

from bindstream.runtime_dir import runtime_dir
from deploy.live import processes
from deploy.live.processes import Identity, boot_id, identity, lives

_log = logging.getLogger(__name__)


class Note:
    """A run's folder and processes, on disk under its pid until it ends by itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = runtime_dir() / f"run-{os.getpid()}.json"

    def write(self) -> None:
        """All that runs below us now."""
        found = [identity(process.pid) for process in processes.below()]
        content = {
            "boot": boot_id(),
            "owner": identity(os.getpid()),
            "folder": str(self._folder),
            "processes": [one for one in found if one],
        }
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(content))
        draft.replace(self._path)

    def tear_up(self) -> None:
        """Nothing is left: the folder goes too."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._path.unlink(missing_ok=True)


def reap() -> int:
    """End what runs that were killed left behind; returns how many processes that were.

    Killed, not asked: they have lost their Ray, so that asking costs ten seconds and gains nothing.
    """
    ended = 0
    for path in runtime_dir().glob("run-*.json"):
        try:
            owner, folder, known = _read(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is damaged and left alone: %s", path, error)
            continue
        if owner is not None and lives(owner):
            continue
        orphans = _orphans(known)
        processes.kill(orphans, timeout_s=5.0)
        ended += len(orphans)
        shutil.rmtree(folder, ignore_errors=True)
        path.unlink(missing_ok=True)
    return ended


def _read(path: Path) -> tuple[Identity | None, str, list[Identity]]:
    """Owner, folder, processes; of another boot there is neither owner nor process."""
    left: dict[str, Any] = json.loads(path.read_text())
    owner, known = Identity(*left["owner"]), [Identity(*one) for one in left["processes"]]
    if left["boot"] != boot_id():
        return None, left["folder"], []
    return owner, left["folder"], known


def _orphans(known: list[Identity]) -> list[psutil.Process]:
    """Those that still run, and their children: a replica may have started after the last note."""
    alive = [psutil.Process(one.pid) for one in known if lives(one)]
    return list({p for one in alive for p in (one, *processes.below(one.pid))})
