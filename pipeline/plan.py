"""What streams and publishers are to do, as plain values: made by ``deploy``, obeyed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bindstream.types import Modality, Stamped
from pipeline.clock import LIVE, Timing


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One sensor and its limits. What its windows are made of, its encoder says.

    ``length_s`` None: the encoder's; another is refused. At most ``in_flight`` windows are with the
    encoder; one older than ``deadline_s`` past its end is given up.
    """

    robot: str
    stream: str
    modality: Modality
    driver: str
    options: dict[str, Any]
    length_s: float | None
    hop_s: float
    deadline_s: float
    in_flight: int

    @property
    def hop_ns(self) -> int:
        """The hop as the Unix grid has it."""
        return round(self.hop_s * 1e9)

    def stamp(self, epoch: int, seq: int = 0) -> Stamped:
        """What its windows of an epoch are stamped with, but for their times."""
        return Stamped(
            robot=self.robot,
            stream=self.stream,
            modality=self.modality,
            epoch=epoch,
            seq=seq,
            start_ns=0,
            end_ns=0,
        )


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
class RobotPlan:
    """What one robot's publisher is told at its start: its name, where and as what it sends, and
    which clock it has."""

    robot: str
    endpoint: str
    dtype: str = "float32"
    timing: Timing = LIVE


@dataclass(frozen=True, slots=True)
class LivePlan:
    """What it may be told at any time, and obeys without a restart.

    ``expect``: streams that are missed where they do not come. ``max_age_s`` of a scene's member
    (None: 2 s + its hop). ``weights`` by stream; one without shares its modality's.
    """

    expect: tuple[str, ...] = ()
    scene_hop_s: float = 0.5
    scene_delay_s: float = 0.1
    max_age_s: float | None = None
    weights: dict[str, float] = field(default_factory=dict)
    questions: tuple[QuestionPlan, ...] = ()
