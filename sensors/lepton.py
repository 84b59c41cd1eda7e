"""A Lepton's frame in Y16: the picture, and the lines of telemetry told apart and read. Pure.

Source: FLIR "Lepton Engineering Datasheet" (500-0659-00-09), section "Telemetry": packets A, B, C
of 80 words each (Lepton 2.x: three lines of 80; 3.x: two of 160, A B and C D), below the picture or
above it. Numbers of 32 bits lie low word first, as the firmware of GroupGets' PureThermal boards
reads them. PureThermal gives 80x63 or 160x122 with telemetry, 80x60 or 160x120 without.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array

CORES = {80: (60, 3), 160: (120, 2)}
"""By width: lines of the picture, and of telemetry."""
UPTIME, STATUS, COUNTER, FPA = 1, 3, 20, 24
TLINEAR, RESOLUTION = 208, 209
"""Words: of packet A, and of C, which begins at 160."""
FFC_RUNNING = 2
_FPA_K = (203.0, 403.0)
_LOW_GAIN_K, _HIGH_GAIN_K = 0.1, 0.01


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a frame says of itself. ``frame``: its number, which a repeated frame repeats.

    ``tlinear``: whether counts are temperature; then one is ``resolution_k``. ``shuttered``: a flat
    field correction runs, and the picture is of the shutter.
    """

    uptime_ms: int
    frame: int
    fpa_k: float
    shuttered: bool
    tlinear: bool
    resolution_k: float


def split(frame: Array) -> tuple[Array, Telemetry | None]:
    """(H, W) uint16 -> the picture, and its telemetry where there is one.

    Raises InvalidInput for a frame of another size, or whose telemetry cannot be.
    """
    height, width = frame.shape[:2]
    lines, more = CORES.get(width, (0, 0))
    if height == lines:
        return frame, None
    if not lines or height != lines + more:
        sizes = ", ".join(f"{w}x{h} or {w}x{h + m}" for w, (h, m) in CORES.items())
        raise InvalidInput(f"layout lepton wants frames of {sizes}, got {width}x{height}")
    if (below := read(frame[lines:])) is not None:
        return frame[:lines], below
    if (above := read(frame[:more])) is not None:
        return frame[more:], above
    raise InvalidInput(
        f"{width}x{height} should hold {more} lines of a Lepton's telemetry, but neither the first "
        "nor the last are: is it a Lepton, and its AGC off?"
    )


def read(lines: Array) -> Telemetry | None:
    """Lines of telemetry, from word 0; None where they cannot be."""
    words = lines.reshape(-1).astype(np.int64)
    fpa_k = int(words[FPA]) / 100
    tlinear, fine = int(words[TLINEAR]), int(words[RESOLUTION])
    if not (_FPA_K[0] <= fpa_k <= _FPA_K[1] and {tlinear, fine} <= {0, 1}):
        return None
    return Telemetry(
        uptime_ms=_long(words, UPTIME),
        frame=_long(words, COUNTER),
        fpa_k=fpa_k,
        shuttered=_long(words, STATUS) >> 4 & 3 == FFC_RUNNING,
        tlinear=tlinear == 1,
        resolution_k=_HIGH_GAIN_K if fine else _LOW_GAIN_K,
    )


def _long(words: Array, at: int) -> int:
    return int(words[at]) | int(words[at + 1]) << 16
