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


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    """One question that is asked of every vector: each answer with the phrases that mean it,
    the prompts they are put into, who can answer, and the margin below which nothing is said."""

    name: str
    phrases: dict[str, list[str]]
    prompts: list[str]
    modalities: list[Modality]
    margin: float


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """The publisher of one robot. ``hops_s``, ``deadlines_s``, ``max_ages_s`` and ``weights`` are
    by stream; a stream without a weight shares its modality's."""

    robot: str
    endpoint: str
    dtype: str
    streams: dict[str, Modality]
    hops_s: dict[str, float]
    deadlines_s: dict[str, float]
    max_ages_s: dict[str, float]
    weights: dict[str, float]
    scene_hop_s: float
    scene_delay_s: float
    questions: list[QuestionPlan]
