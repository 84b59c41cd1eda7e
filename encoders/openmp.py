"""OpenMP's threads beside a robot's sensors."""

from __future__ import annotations

import os


def calm(threads: int) -> None:
    """Before torch loads: idle OpenMP threads sleep instead of spinning on the robot's cores."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ["OMP_NUM_THREADS"] = str(threads)
