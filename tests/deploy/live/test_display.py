"""What a run prints."""

from __future__ import annotations

import json
import sys

import pytest

from deploy.live.display import Lines
from tests.deploy import messages


def test_nobody_else_prints_among_the_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks if what Ray says of a dead part stands between the objects that a script reads."""
    with Lines() as lines:
        print("Raylet is terminated.")
        lines.show(messages.embedding(1))
    print("after")
    told = capsys.readouterr()
    first, after = told.out.splitlines()
    assert json.loads(first)["kind"] == "embedding"
    assert after == "after"
    assert told.err == "Raylet is terminated.\n"
    assert sys.stdout is not sys.stderr
