"""One stream as its publisher knows it: accounts, order, newest vector, and how it is. Pure."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from bindstream.types import Embedding, Health, Modality, Reason
from pipeline.ages import Ages
from pipeline.ledger import Ledger
from pipeline.messages import About, State
from pipeline.sequence import InOrder

STAGE_NAMES = ("capture", "window", "queue", "encode", "hop", "publish")
LATE_FACTOR = 3.0
"""A stream is stale when nothing was published for so many hops."""
STALE_S = 2.0
"""And not before so long a silence."""
SILENT_NS = 2_500_000_000
"""A stream speaks once a second; one that does not for so long is dead, hung or stopped."""
START_NS = 10_000_000_000
"""How long a stream may take from the publisher's start to its first word."""
RECENT = 10
_ENCODER_BUSY = frozenset({Reason.SUPERSEDED, Reason.ENCODER_TIMEOUT, Reason.LATE})


class Stream:
    """What is known of one stream. ``now_ns`` is the host's time, which is a live robot's."""

    def __init__(self, name: str, now_ns: int = 0) -> None:
        self.name = name
        self.about: About | None = None  # expected, and not met yet
        self.ledger = Ledger()
        self.order: InOrder[Embedding | Reason] = InOrder(self.ledger)
        self.ages = Ages()
        self.said: State | None = None
        self.newest: Embedding | None = None
        self.epoch = 0
        self.instance = ""
        self.refusal = ""  # of its newest start
        self.ended = False
        self.failed = False
        self.heard_ns = now_ns
        self.told: Health | None = None  # what readers got last, and when
        self.told_ns = 0
        self.progress_ns: int | None = None  # all windows that end by then were opened
        self._vector_ns = 0  # of the host's time, when the newest vector left
        self._drops: deque[Reason] = deque(maxlen=RECENT)  # since the newest vector
        self._changed_ns = 0

    @property
    def state(self) -> str:
        """opening | running | paused | ended | failed | stopped."""
        if self.ended:
            return "stopped"
        if self.failed:
            return "failed"
        return self.said.state if self.said else "opening"

    @property
    def done_ns(self) -> int | None:
        """All its windows that end by then have had their outcome; None: nothing is known yet."""
        window = self.ledger.first()
        if window is None or self.progress_ns is None:
            return self.progress_ns
        return min(self.progress_ns, window.end_ns - 1)

    @property
    def is_busy(self) -> bool:
        """Whether an outcome may come that was not told yet."""
        return not self.failed and self.ledger.first() is not None

    @property
    def holds_time(self) -> bool:
        """Whether the robot's time, where streams tell it, waits for this one."""
        if self.ended:
            return False
        return self.state not in ("paused", "ended") or self.ledger.first() is not None

    @property
    def modality(self) -> Modality:
        """Known once it was met."""
        assert self.about is not None  # noqa: S101 - no window was ever opened before
        return self.about.modality

    @property
    def deadline_ns(self) -> int:
        """After its end a window is no news for so long."""
        return self.about.deadline_ns if self.about else 0

    @property
    def hop_ns(self) -> int:
        """From one window's end to the next."""
        return self.about.hop_ns if self.about else 0

    def begin(self, epoch: int, instance: str, about: About) -> None:
        """It starts, or goes on, in this epoch."""
        self.epoch, self.instance, self.about, self.ended = epoch, instance, about, False
        self.progress_ns = None
        self.refusal = ""

    def end(self, epoch: int, now_ns: int) -> None:
        """It said goodbye."""
        self.epoch, self.ended, self.failed, self.heard_ns = epoch, True, False, now_ns

    def hear(self, said: State, now_ns: int) -> None:
        """Take over what it says of itself."""
        if self.said is None or self.said.state != said.state:
            self._changed_ns = now_ns
        self.said = said

    def shift(self, step_ns: int) -> None:
        """The robot's clock is another than was thought."""
        self.heard_ns += step_ns
        self.told_ns += step_ns
        self._changed_ns += step_ns
        self._vector_ns += step_ns if self._vector_ns else 0

    def is_silent(self, now_ns: int) -> bool:
        """Whether it should have spoken by now."""
        allowed_ns = SILENT_NS if self.epoch or self.said else START_NS
        return not self.ended and now_ns - self.heard_ns > allowed_ns

    def note_drop(self, reason: Reason) -> None:
        """A window left without a vector."""
        self._drops.append(reason)

    def note_vector(self, embedding: Embedding, now_ns: int) -> None:
        """A vector left."""
        self.newest, self._vector_ns = embedding, now_ns
        self.ages.add(embedding)
        self._drops.clear()

    def why(self, now_ns: int) -> tuple[str, int]:
        """(What is in the way, in words; since when); ('', 0) where nothing is."""
        since_s = (now_ns - self.heard_ns) / 1e9
        if self.ended:
            return self.refusal or (self.said.why if self.said else ""), 0
        if self.failed or (self.said is None and not self.epoch):
            return self._silence(since_s), self.heard_ns
        if self.said is None:
            return "has not told its state yet", self.heard_ns
        if self.said.why or self.said.state != "running":
            return self.said.why, self._changed_ns if self.said.why else 0
        return self._drought(now_ns)

    def ailment(self, now_ns: int) -> str:
        """Why it is not delivering; '' when it is, or when nothing more is to come."""
        if self.state == "ended":
            return ""
        if self.state in ("opening", "failed", "stopped"):
            return self.why(now_ns)[0] or self.state
        if self.newest is None:
            return self.why(now_ns)[0] or "nothing published yet"
        return self._drought(now_ns)[0]

    def detail(self, now_ns: int, robot_ns: int) -> dict[str, Any]:
        """All of it as plain data, for health messages and HTTP. Silences are of the host's time,
        ages and rates of the robot's."""
        said, ages = self.said, self.ages.summary(robot_ns)
        why, since_ns = self.why(now_ns)
        return {
            **(said.counters if said else {}),
            "modality": self.about.modality.value if self.about else "",
            "app": self.about.app if self.about else "",
            "epoch": self.epoch,
            "why": why,
            "since_ns": since_ns,
            "rate_hz": said.rate_hz if said and not self.failed else 0.0,
            "wanted_rate_hz": said.wanted_rate_hz if said else 0.0,
            "published_hz": self.ages.rate_hz(robot_ns),
            "ledger": self.ledger.accounts(),
            "age_ms": ages["age"],
            "stages_ms": {name: ages[name].get("p50") for name in STAGE_NAMES},
            "words": dict(self.newest.words) if self.newest else {},
            "last_end_ns": self.newest.end_ns if self.newest else 0,
        }

    def _silence(self, since_s: float) -> str:
        if self.refusal:
            return self.refusal
        if self.epoch or self.said:
            return (
                f"nothing heard from it for {since_s:.1f} s: its process is dead, hung or stopped"
            )
        return f"has not started: nothing heard from it for {since_s:.1f} s"

    def _drought(self, now_ns: int) -> tuple[str, int]:
        """Why no vector comes while the sensor runs."""
        since_ns = max(self._changed_ns, self._vector_ns)
        silent_s = (now_ns - since_ns) / 1e9
        if silent_s <= max(STALE_S, LATE_FACTOR * self.hop_ns / 1e9):
            return "", 0
        fate = self._fate()
        if self.newest is None and self._drops and _ENCODER_BUSY.issuperset(self._drops):
            return (
                f"loading: no vector from the encoder yet, for {silent_s:.1f} s: {fate}",
                since_ns,
            )
        return f"no vector for {silent_s:.1f} s: {fate}", since_ns

    def _fate(self) -> str:
        """What became of the newest windows."""
        if not self._drops:
            return "no window had its outcome" if self.ledger.first() else "no window was cut"
        (often, n), *others = Counter(self._drops).most_common()
        rest = "".join(f", {count} {reason.value}" for reason, count in others)
        return f"{n} of the last {len(self._drops)} windows {often.value}{rest}"
