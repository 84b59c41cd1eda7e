"""Where a robot's stream is: a ZeroMQ endpoint, as people type it."""

from __future__ import annotations

import re

from bindstream.errors import ConfigError

_BARE = re.compile(r"(?P<host>[^/\s:]*|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})\Z")


def as_endpoint(text: str) -> str:
    """``localhost:5570`` -> ``tcp://localhost:5570``; ``:5570`` is this machine's.

    What names its transport stays as it is. Raises ConfigError for what names neither that nor
    a port.
    """
    if "://" in text:
        return text
    bare = _BARE.match(text)
    if bare is None:
        raise ConfigError(f"'{text}' is no endpoint; want HOST:PORT, e.g. 127.0.0.1:5570")
    return f"tcp://{bare['host'] or '127.0.0.1'}:{bare['port']}"
