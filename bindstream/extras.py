"""How to get an optional extra of this very installation."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

ROBOT = "bindstream-robot"
"""The distribution that has extras; the reader's has none."""


def install_command(extra: str) -> str:
    """The line to type, for this interpreter: from the clone, or from where bindstream came.

    The bare name is said only where an index is known to have served it: elsewhere pip might fetch
    somebody else's package of that name.
    """
    return f"{shlex.quote(sys.executable)} -m pip install {_project(extra)}"


def _project(extra: str) -> str:
    root = Path(__file__).resolve().parents[1]
    if (root / "pyproject.toml").exists():
        return f"-e {shlex.quote(f'{root}[{extra}]')}"
    origin = _origin()
    return shlex.quote(f"{ROBOT}[{extra}]" + (f" @ {origin}" if origin else ""))


def _origin() -> str:
    """What pip recorded (PEP 610): '' for an index, else a URL that pip takes."""
    import importlib.metadata  # 30 ms that no reader of a stream should pay

    try:
        record = importlib.metadata.distribution(ROBOT).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return ""
    told = json.loads(record) if record else {}
    url, vcs = str(told.get("url", "")), told.get("vcs_info")
    return f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url
