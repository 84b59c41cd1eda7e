"""A live world may run for weeks: what it draws is not kept for good."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bindstream.types import Modality

MOST_MB = 6.0
"""Kept for good, half an hour of drawings were 13 MB (depth) to 22 MB (audio)."""

PLAY = """
import sys
from pathlib import Path
from sensors.world import script
from sensors.world.driver import World

def anonymous_mb():
    rollup = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:")) / 1024

driver = World("s", modality=sys.argv[1])

def play(from_s, until_s):
    for now_s in range(from_s, until_s, 5):
        driver.open(lambda: script.ORIGIN_NS + now_s * 10**9)  # draws what is there then
    return anonymous_mb()

print(play(0, 600) - play(600, 2400))
"""


@pytest.mark.parametrize("modality", [Modality.VISION, Modality.AUDIO, Modality.DEPTH])
def test_half_an_hour_is_not_kept(modality: Modality) -> None:
    """Breaks if the skins, sprites and voices of scenes that are over stay in memory."""
    played = subprocess.run(
        [sys.executable, "-c", PLAY, modality], capture_output=True, text=True, check=True
    )
    grown_mb = -float(played.stdout)
    assert grown_mb < MOST_MB
