"""The counter of epochs: every start of a stream gets a number that was never given before."""

from __future__ import annotations

import json
import os
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


class Epochs:
    """One robot's counter, on disk before it is used. Raises OSError where it cannot be kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = self._read()

    @property
    def last(self) -> int:
        """The newest epoch given; 0 for none."""
        return self._last

    def next(self) -> int:
        """A new epoch, greater than all before, also after a crash at any moment."""
        self._last += 1
        draft = self._path.with_suffix(".new")
        with draft.open("w") as file:
            json.dump({"last": self._last}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename too, or a power cut takes it back
        finally:
            os.close(folder)
        return self._last

    def _read(self) -> int:
        try:
            return int(json.loads(self._path.read_text())["last"])
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError) as error:
            raise OSError(
                f"{self._path} is damaged: repair it, or delete it to start at 1"
            ) from error
