"""The advice on how to get an extra, in a clone and in installations of each kind."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bindstream.errors import MissingExtra
from bindstream.extras import install_command

ROOT = Path(__file__).parents[2]
WHEEL = {"url": "file:///tmp/bindstream_robot-0.1.0-py3-none-any.whl", "archive_info": {}}
COMMIT = {"url": "https://example.org/b.git", "vcs_info": {"vcs": "git", "commit_id": "abc123"}}


def test_a_clone_is_installed_from_itself() -> None:
    """Breaks if a clone's user is sent to an index, where the name may be somebody else's."""
    words = shlex.split(install_command("clip"))
    assert words == [sys.executable, "-m", "pip", "install", "-e", f"{ROOT}[clip]"]
    assert str(MissingExtra("ftfy", "clip", "CLIP")) == f"CLIP needs ftfy: {shlex.join(words)}"


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (WHEEL, f"bindstream-robot[clip] @ {WHEEL['url']}"),
        (COMMIT, "bindstream-robot[clip] @ git+https://example.org/b.git@abc123"),
        (None, "bindstream-robot[clip]"),
    ],
    ids=["wheel", "git", "index"],
)
def test_an_installation_is_extended_from_where_it_came(
    tmp_path: Path, record: dict[str, Any] | None, wanted: str
) -> None:
    """Breaks if the extra would be taken from elsewhere than what it extends."""
    shutil.copytree(ROOT / "bindstream", tmp_path / "bindstream")
    about = tmp_path / "bindstream_robot-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: bindstream-robot\nVersion: 0.1.0\n"
    )
    if record:
        (about / "direct_url.json").write_text(json.dumps(record))
    program = "from bindstream.extras import install_command; print(install_command('clip'))"
    told = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shlex.split(told.stdout)[-1] == wanted
