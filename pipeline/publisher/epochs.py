"""The counter of epochs: every start of a stream gets a number that was never given before."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path


def state_dir() -> Path:
    """Where a robot's counters outlive its processes.

    ``$BINDSTREAM_STATE_DIR``, else ``$XDG_STATE_HOME/bindstream``, else
    ``~/.local/state/bindstream``; made if need be.
    """
    chosen = os.environ.get("BINDSTREAM_STATE_DIR")
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(chosen) if chosen else Path(home) / "bindstream"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


RESERVED = 16
"""Numbers reserved at a time: streams start seldom."""
MOST = 1 << 62
"""Beyond any time in seconds, and below what a message can carry."""


class Epochs:
    """One robot's counter. Raises OSError where it cannot be kept.

    Numbers are reserved on disk before they are used, a few at a time, so that giving one never
    waits for the disk. They begin at the time in Unix seconds where that is greater than all
    before: also a robot whose folder was lost gives none twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._last = self._end = self._read()
        self.reserve()

    def next(self) -> int:
        """A new epoch, greater than all before, also after a crash at any moment. Raises OSError
        when the disk has been full for so long that none is left."""
        with self._lock:
            if self._last == self._end:
                raise OSError(f"{self._path} could not be written: no epoch is left to start with")
            self._last += 1
            return self._last

    def reserve(self) -> None:
        """Write ahead when half are used; call it now and then, in a thread that may wait."""
        if self._end - self._last > RESERVED // 2:
            return
        begin = max(self._end, int(time.time()) - 1)
        self._write(begin + RESERVED)
        with self._lock:
            self._last, self._end = begin, begin + RESERVED

    def _write(self, end: int) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # lost while we run
        draft = self._path.with_suffix(".new")
        with draft.open("w") as file:
            json.dump({"last": end}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename too, or a power cut takes it back
        finally:
            os.close(folder)

    def _read(self) -> int:
        try:
            last = int(json.loads(self._path.read_text())["last"])
            if not 0 <= last <= MOST:
                raise ValueError(f"no counter of ours stands at {last}")
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise OSError(
                f"{self._path} is damaged: repair it, or delete it to start at the time"
            ) from error
        return last
