"""What a robot needs of this machine beside devices and ports, looked at before anything starts:
a state folder that keeps its epochs, a socket whose path fits, a name that nobody else uses."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable

from bindstream.errors import ConfigError, PortBusy
from pipeline.link import address, lock_path
from pipeline.publisher.epochs import Epochs, state_dir


def check_state_folder(robot: str) -> None:
    """Raises ConfigError where the robot's epochs cannot be read or kept."""
    try:
        folder = state_dir()
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{robot}.", suffix=".try") as probe:
            probe.write(b"0")
            probe.flush()
            os.fsync(probe.fileno())
        Epochs(folder / f"{robot}.epochs.json")
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.strerror else str(error)
        raise ConfigError(
            f"robot '{robot}': the state folder, which keeps its epochs, cannot be used: {said}; "
            "set BINDSTREAM_STATE_DIR to a folder that can be written"
        ) from error


def check_socket_path(robot: str) -> None:
    """Raises ConfigError where the path of the streams' socket is too long or cannot be made."""
    address(robot)


def check_name_is_free(robot: str) -> None:
    """Raises PortBusy where another robot of that name runs on this machine."""
    path = lock_path(robot)
    if not path.exists():
        return
    try:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PortBusy(
            f"robot '{robot}' already runs on this machine: stop it, or give this one another "
            "'name' in the args of its application"
        ) from None
    except OSError as error:
        raise ConfigError(f"robot '{robot}': {error.filename}: {error.strerror}") from error


CHECKS: tuple[Callable[[str], None], ...] = (
    check_state_folder,
    check_socket_path,
    check_name_is_free,
)
