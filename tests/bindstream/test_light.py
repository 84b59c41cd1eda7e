"""What a subscribing program drags in, in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
HEAVY = {
    "torch",
    "torchaudio",
    "ray",
    "pydantic",
    "yaml",
    "cv2",
    "PIL",
    "rich",
    "soxr",
    "serial",
    "pyaudio",
    "psutil",
    "sensors",
    "pipeline",
    "encoders",
    "deploy",
}
PROGRAM = """
import sys, json
before = set(sys.modules)
from bindstream import Feed, Subscriber
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def _imported() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(json.loads(done.stdout))


def test_a_subscriber_loads_nothing_heavy() -> None:
    """Breaks if a reader's import costs torch, ray or a sensor's library."""
    imported = _imported()
    assert "zmq" in imported
    assert not imported & HEAVY


def test_a_subscriber_loads_only_what_the_base_install_has() -> None:
    """Breaks if the base package needs a distribution that it does not declare."""
    foreign = {
        name
        for name in _imported() - set(sys.stdlib_module_names)
        if not name.startswith(("_", "cython", "Cython"))
    }
    foreign.discard("typing_extensions")  # msgspec takes it where it is, and needs it not
    assert foreign == {"bindstream", "numpy", "zmq", "msgspec"}
