"""What sound is: float32 in [-1, 1]. Pure; used by `push`, `embed` and `bind` alike."""

from __future__ import annotations

import numpy as np

from bindstream.doubt import Doubt
from bindstream.types import Array

LOUDEST = 16.0
"""24 dB over full scale: float files may go a little over 1, whole numbers lie far beyond."""


def doubt(sound: Array) -> Doubt | None:
    """Why samples cannot be sound; None where they can."""
    bad = int((~np.isfinite(sound)).sum())
    if bad:
        return Doubt(f"{bad} of {len(sound)} samples are not finite")
    peak = float(np.abs(sound).max(initial=0.0))
    if peak <= LOUDEST:
        return None
    return Doubt(
        f"the loudest sample is {peak:.4g}, full scale is 1",
        "these seem to be whole numbers: divide 16 bits by 32768",
        scale=1 / 32768,
    )
