"""What a window is made of, whatever its modality."""

from __future__ import annotations

from dataclasses import dataclass

from bindstream.types import Array, Meta


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What one window holds, before it has a place and a seq."""

    data: Array
    meta: Meta
    n_missing: int
