"""Signals: before anything was started they end the process, afterwards they are noted."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BEFORE = """
import time
from deploy.live.stopping import Stopping
stopping = Stopping()
stopping.hear()
print(flush=True)
time.sleep(600)
"""
AFTER = """
import os, signal, sys
from deploy.live.stopping import Stopping
stopping = Stopping()
stopping.hear()
stopping.begin()
for name in sys.argv[1:]:
    os.kill(os.getpid(), getattr(signal, name))
print(stopping.asked, stopping.insisted, stopping.exit_code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_before_anything_was_started_it_leaves_at_once(number: signal.Signals) -> None:
    """Breaks if a signal while libraries are imported is lost, or ends in a traceback."""
    with subprocess.Popen(
        [sys.executable, "-c", BEFORE], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        ([], "False False 128"),
        (["SIGTERM"], "True False 143"),
        (["SIGINT", "SIGTERM"], "True True 130"),
    ],
)
def test_afterwards_it_is_noted_and_nothing_is_raised(signals: list[str], said: str) -> None:
    """Breaks if a handler raises (Ray would catch it), or a second signal is not told apart."""
    done = subprocess.run(
        [sys.executable, "-c", AFTER, *signals], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == said


def test_what_nohup_turned_off_stays_off() -> None:
    """Breaks if a robot that was started with nohup ends with its terminal."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + AFTER
    done = subprocess.run(
        [sys.executable, "-c", code, "SIGHUP"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("False")
