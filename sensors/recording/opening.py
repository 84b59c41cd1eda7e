"""Which kind of recording a path is."""

from __future__ import annotations

from pathlib import Path

from bindstream.errors import ConfigError
from sensors.recording.bag import Bag, is_bag
from sensors.recording.folder import Folder, Units
from sensors.recording.track import Recording


def opened(path: Path, rate_hz: float = 0.0, units: Units | None = None) -> Recording:
    """MCAP, rosbag2, or a folder of files. ``rate_hz`` and ``units``: see ``folder.Folder``.

    Raises ConfigError for a path that is not there, or is none of these; MissingExtra.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder")
    return Bag(path) if is_bag(path) else Folder(path, rate_hz, units)
