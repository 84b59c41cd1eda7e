"""Colour, at a terminal: there where it helps, and nowhere where NO_COLOR asks for none."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bindstream.wire import Message
from tests.deploy import messages
from tests.deploy.robot import Robot

COLOUR = re.compile(rb"\x1b\[[0-9;]*?(?<![0-9])(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?![0-9])[0-9;]*m")
COMMAND = [sys.executable, "-m", "bindstream.command.cli"]
TABLE = """
from deploy.live.display import Table
from tests.deploy import messages
with Table(["rover"], None) as table:
    table.begin("deploy")
    table.finish("deploy", 1.0, failed=True)
    table.show(messages.health("front", "running"))
    table.show(messages.health("rear", "failed"))
"""
"""What `run` and `replay` draw, without the robot below it."""


def at_a_terminal(command: list[str], tmp_path: Path, **environment: str) -> bytes:
    """All that a command writes to a terminal."""
    ours, its = pty.openpty()
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    env = plain | {"TERM": "xterm-256color", "COLUMNS": "120"} | environment
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=env, cwd=tmp_path)
    os.close(its)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # the terminal's other end is closed: it is over
        pass
    finally:
        os.close(ours)
        code = process.wait(300)
    assert code == 0, written
    return written


def spoken(tick: int) -> list[Message]:
    return [messages.embedding(tick)]


def check(command: list[str], tmp_path: Path) -> None:
    """Some as it comes, none with NO_COLOR."""
    assert COLOUR.search(at_a_terminal(command, tmp_path))
    assert not COLOUR.search(at_a_terminal(command, tmp_path, NO_COLOR="1"))


def test_listen(tmp_path: Path) -> None:
    """Breaks if the lines of `listen` are coloured for who asked for none, or for nobody."""
    with Robot(spoken) as robot:
        command = [*COMMAND, "listen", robot.endpoint, "--count", "1"]
        check(command, tmp_path)
        assert not COLOUR.search(at_a_terminal(command, tmp_path, TERM="dumb"))


def test_the_live_table(tmp_path: Path) -> None:
    """Breaks if the table of `run` and `replay` is."""
    check([sys.executable, "-c", TABLE], tmp_path)


@pytest.mark.timeout(600)  # torch is imported twice by each
@pytest.mark.parametrize(
    "words",
    [
        ("weights", "verify"),
        ("embed", "--text", "dog", "cat"),
        ("bind", "--write-pairs", "pairs", "--modality", "thermal", "--scenes", "3"),
    ],
    ids=lambda words: words[0],
)
def test_progress(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Breaks if a bar that tells how far a verb is."""
    check([*COMMAND, *words], tmp_path)
