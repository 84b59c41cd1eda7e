"""The script that measures the code: what it counts, on code made for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "measures.py"
CODE = """
from dataclasses import dataclass

@dataclass
class Place:
    robot: str
    stream: str
    epoch: int
    seq: int

@dataclass
class Piece(Place):
    data: bytes

class Driver:
    def __init__(self, a, b, c, d, e, f, *, g):
        self.all = dict(robot=a, stream=b, epoch=c, seq=d)
        first = a + b
        second = first + c
        third = second + d
        fourth = third + e
        fifth = fourth + f
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_counts_what_it_says(tmp_path: Path) -> None:
    """Breaks if the table of before and after compares numbers that mean something else."""
    package = tmp_path / "sensors"
    package.mkdir()
    (package / "one.py").write_text(CODE)
    (package / "two.py").write_text(CODE.replace("class Driver", "class Other"))
    found = json.loads(run(tmp_path, "--json").stdout)
    assert found["files"] == 2
    assert found["lines of a function, most"] == 7
    assert found["constructors over 6 parameters"] == ["Other 7", "Driver 7"]
    assert found["classes over 12 methods"] == []
    assert found["containers of a window"] == ["Piece", "Piece"]
    assert found["spellings of its identity"] == [
        f"sensors/{name}.py:{line}" for name in ("one", "two") for line in (5, 17)
    ]
    assert len(found["twins"]) == 2  # what stands before the other name, and after it
    assert "| files | 2 |" in run(tmp_path).stdout


def test_a_folder_without_the_packages_is_refused(tmp_path: Path) -> None:
    """Breaks if a mistyped path gives a table of zeros."""
    refused = run(tmp_path)
    assert refused.returncode == 2
    assert "holds none of" in refused.stderr
