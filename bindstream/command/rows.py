"""What a robot's messages say about it: one row per stream, scene, events, steps. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from bindstream.types import Embedding, Event, Health, Scene
from bindstream.wire import Message

STAGES = ("capture", "window", "hop", "queue", "encode", "publish")
"""Where a window's time goes, in the order of its way."""

SPACE_GONE_NS = 10_000_000_000
EVENTS_KEPT = 6
REMOVED = "stream_removed"
"""The event of a stream that is no part of its robot any more."""


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One stream, as its newest health message tells it. Times in ms, rates in Hz.

    ``published_hz`` counts embeddings, ``rate_hz`` what the sensor gives (frames, readings,
    audio samples), which should be ``wanted_rate_hz``. ``dropped`` maps a reason to a count;
    ``stages_ms`` holds the median time of each of STAGES that is known.
    """

    robot: str
    stream: str
    modality: str = ""
    state: str = "opening"
    why: str = ""
    epoch: int = 0
    published_hz: float | None = None
    rate_hz: float | None = None
    wanted_rate_hz: float | None = None
    age_p50_ms: float | None = None
    age_p99_ms: float | None = None
    captured: int = 0
    published: int = 0
    open: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    late: int = 0
    duplicate: int = 0
    stages_ms: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


def name_of(row: StreamRow, among: Iterable[StreamRow]) -> str:
    """The stream's name, with its robot's where there are several."""
    several = len({one.robot for one in among}) > 1
    return f"{row.robot}/{row.stream}" if several else row.stream


def row_of(health: Health) -> StreamRow:
    """A health message -> a row. What the message leaves out, or tells oddly, stays unknown."""
    detail = health.detail
    ledger, age = _map(detail, "ledger"), _map(detail, "age_ms")
    return StreamRow(
        robot=health.robot,
        stream=health.stream,
        modality=str(detail.get("modality", "")),
        state=health.state,
        why=str(detail.get("why") or ""),
        epoch=_count(detail, "epoch"),
        published_hz=_number(detail, "published_hz"),
        rate_hz=_number(detail, "rate_hz"),
        wanted_rate_hz=_number(detail, "wanted_rate_hz"),
        age_p50_ms=_number(age, "p50"),
        age_p99_ms=_number(age, "p99"),
        captured=_count(ledger, "captured"),
        published=_count(ledger, "published"),
        open=_count(ledger, "open"),
        dropped={str(k): int(v) for k, v in _map(ledger, "dropped").items() if _is_number(v) and v},
        late=_count(detail, "late"),
        duplicate=_count(detail, "duplicate"),
        stages_ms={k: float(v) for k, v in _map(detail, "stages_ms").items() if _is_number(v)},
        words={str(k): str(v) for k, v in _map(detail, "words").items()},
    )


@dataclass(slots=True)
class Step:
    """One step of the start: ``state`` is waiting | running | done | failed."""

    name: str
    state: str = "waiting"
    seconds: float | None = None


@dataclass(slots=True)
class TableState:
    """What the live table shows. Feed it messages with ``absorb``; nothing here reads a clock.

    Streams stand under their robot and name, scenes under their robot and space. ``truth`` is what
    the scene of a simulated world's robot, ``truth_of``, should have said, where that is known.
    """

    robot: str = ""
    rows: dict[tuple[str, str], StreamRow] = field(default_factory=dict)
    newest_words: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    scenes: dict[tuple[str, str], Scene] = field(default_factory=dict)
    truth_of: str = ""
    truth: dict[str, frozenset[str]] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    steps: list[Step] = field(default_factory=list)

    def absorb(self, message: Message) -> None:
        """Take one message in; kinds that the table does not show change nothing."""
        self.robot = self.robot or message.robot
        match message:
            case Health():
                self.rows[message.robot, message.stream] = row_of(message)
            case Embedding():
                self.newest_words[message.robot, message.stream] = message.words
                known = StreamRow(message.robot, message.stream, message.modality, "running")
                self.rows.setdefault((message.robot, message.stream), known)
            case Scene():
                self._see(message)
            case Event():
                self.events.append(message)
                if message.name == REMOVED:
                    self.rows.pop((message.robot, str(message.detail.get("stream"))), None)

    def _see(self, scene: Scene) -> None:
        """Beside it stand those of the robot's other spaces, while they have scenes."""
        self.scenes[scene.robot, scene.space_id] = scene
        for key, other in list(self.scenes.items()):
            if key[0] == scene.robot and scene.end_ns - other.end_ns > SPACE_GONE_NS:
                del self.scenes[key]

    def name_of(self, row: StreamRow) -> str:
        """The stream's name, with its robot's where there are several."""
        return name_of(row, self.rows.values())

    def words_of(self, row: StreamRow) -> dict[str, str]:
        """The nearest words of a stream: of its newest embedding, else of its health."""
        return self.newest_words.get((row.robot, row.stream)) or row.words

    def begin(self, name: str) -> None:
        """A step of the start runs now; it is added if it was not announced."""
        step = self._step(name)
        step.state = "running"

    def finish(self, name: str, seconds: float, *, failed: bool = False) -> None:
        """A step of the start ended after ``seconds``."""
        step = self._step(name)
        step.state, step.seconds = "failed" if failed else "done", seconds

    def _step(self, name: str) -> Step:
        for step in self.steps:
            if step.name == name:
                return step
        self.steps.append(Step(name))
        return self.steps[-1]


def _map(detail: dict[str, Any], key: str) -> dict[str, Any]:
    value = detail.get(key)
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> TypeGuard[int | float]:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value)


def _number(detail: dict[str, Any], key: str) -> float | None:
    value = detail.get(key)
    return float(value) if _is_number(value) else None


def _count(detail: dict[str, Any], key: str) -> int:
    value = detail.get(key)
    return int(value) if _is_number(value) else 0
