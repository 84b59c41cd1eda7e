"""What one stream is to do, as plain values: made by ``deploy``, read by ``ingest``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bindstream.types import Modality


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One sensor, its windows and its limits.

    ``length_s`` and ``frames`` are the window format of the weights. At most ``in_flight``
    windows are with the encoder; one older than ``deadline_s`` past its end is given up.
    """

    robot: str
    stream: str
    modality: Modality
    driver: str
    options: dict[str, Any]
    length_s: float
    hop_s: float
    frames: int
    deadline_s: float
    in_flight: int

    @property
    def hop_ns(self) -> int:
        """The hop as the Unix grid has it."""
        return round(self.hop_s * 1e9)
