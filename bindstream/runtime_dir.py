"""Where the sockets of one user's robots on this machine live."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bindstream.errors import ConfigError


def runtime_dir() -> Path:
    """The folder for ipc sockets, made if need be: mode 0700, owned by this user.

    ``$BINDSTREAM_RUNTIME_DIR``, else ``$XDG_RUNTIME_DIR/bindstream``, else
    ``/tmp/bindstream-<uid>``. Raises ConfigError where it cannot be had safely: in the shared
    /tmp somebody else may have made it first, as a folder of theirs or as a link.
    """
    path = _place()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ConfigError(f"runtime directory {path}: {error.strerror}; {_REMEDY}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"runtime directory {path} is not a directory; {_REMEDY}")
    if found.st_uid != os.getuid():
        raise ConfigError(f"runtime directory {path} belongs to uid {found.st_uid}; {_REMEDY}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    return path


_REMEDY = "set BINDSTREAM_RUNTIME_DIR to a folder of your own"


def _place() -> Path:
    if chosen := os.environ.get("BINDSTREAM_RUNTIME_DIR"):
        return Path(chosen).absolute()
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(session).absolute() / "bindstream"
    return Path(f"/tmp/bindstream-{os.getuid()}")  # noqa: S108 - ownership is checked above
