"""What sound is: float32 in [-1, 1]. Pure; used by `push`, `embed` and `bind` alike."""

from __future__ import annotations

import numpy as np

from bindstream.doubt import Doubt
from bindstream.types import Array

LOUDEST = 16.0
"""24 dB over full scale: float files may go a little over 1, whole numbers lie far beyond."""
PCM_BYTES = (1, 2, 3, 4)
"""Widths that a sample of whole numbers may have: 8 bits are unsigned, the others signed."""
_PCM = {1: "u1", 2: "<i2", 4: "<i4"}


def from_pcm(content: bytes, width: int) -> Array:
    """Whole numbers of ``width`` bytes as WAV has them -> (n,) float32 in [-1, 1]."""
    if width == 3:  # no such integer in numpy: put each in the upper bytes of four
        padded = np.zeros((len(content) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        content, width = padded.tobytes(), 4
    samples: Array = np.frombuffer(content, _PCM[width]).astype(np.float32)
    if width == 1:
        samples -= 128
    return samples / np.float32(2 ** (8 * width - 1))


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
