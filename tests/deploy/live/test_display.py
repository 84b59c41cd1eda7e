"""What a run prints."""

from __future__ import annotations

import io
import json
import sys
import threading
import time

import pytest

from deploy.live.display import Lines, step
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


class SlowOut(io.StringIO):
    """One whose every write lets other threads go first, as a full pipe does."""

    def write(self, text: str) -> int:
        written = super().write(text)
        time.sleep(0.001)
        return written


def test_lines_of_two_threads_are_each_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a step that ends while a message is printed stands on the message's line."""
    out = SlowOut()
    monkeypatch.setattr(sys, "stdout", out)
    with Lines() as lines:

        def steps() -> None:
            for n in range(50):
                with step(lines, f"step {n}"):
                    pass

        thread = threading.Thread(target=steps)
        thread.start()
        for seq in range(50):
            lines.show(messages.embedding(seq))
        thread.join()
    told = [json.loads(line)["kind"] for line in out.getvalue().splitlines()]
    assert sorted(told) == ["embedding"] * 50 + ["step"] * 50
