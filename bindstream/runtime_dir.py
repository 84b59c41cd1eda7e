"""Where the sockets of one user's robots on this machine live."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bindstream.errors import ConfigError


def runtime_dir() -> Path:
    """The folder for ipc sockets, made if need be: mode 0700, owned by this user.

    ``$BINDSTREAM_RUNTIME_DIR``, else ``$XDG_RUNTIME_DIR/bindstream``, else
    ``/tmp/bindstream-<uid>``. A chosen folder that is there and open to others stays as it is:
    a private ``bindstream-<uid>`` inside it is used. Raises ConfigError where it cannot be had
    safely: in a shared place somebody else may have made it first, as a folder of theirs or as
    a link.
    """
    chosen = os.environ.get("BINDSTREAM_RUNTIME_DIR")
    if not chosen:
        return _closed(_usual())
    path = Path(chosen).absolute()
    found = _made(path)
    if found.st_uid == os.getuid() and not found.st_mode & _OTHERS:
        return path
    return _closed(path / f"bindstream-{os.getuid()}")


_OTHERS = 0o077
_REMEDY = "set BINDSTREAM_RUNTIME_DIR to a folder of your own"


def _closed(path: Path) -> Path:
    """A folder with a name of ours: nobody else has use for it, so it may be closed to them."""
    found = _made(path)
    if found.st_uid != os.getuid():
        raise ConfigError(f"runtime directory {path} belongs to uid {found.st_uid}; {_REMEDY}")
    if found.st_mode & _OTHERS:
        path.chmod(0o700)
    return path


def _made(path: Path) -> os.stat_result:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ConfigError(f"runtime directory {path}: {error.strerror}; {_REMEDY}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"runtime directory {path} is not a directory; {_REMEDY}")
    return found


def _usual() -> Path:
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(session).absolute() / "bindstream"
    return Path(f"/tmp/bindstream-{os.getuid()}")  # noqa: S108 - ownership is checked above
