"""One stream as its publisher knows it: who it is, its accounts, its order, how far it is. Pure."""

from __future__ import annotations

from bindstream.types import Embedding, Health, Modality, Reason
from pipeline.messages import About
from pipeline.publisher.flow import Flow
from pipeline.publisher.ledger import Ledger
from pipeline.publisher.pulse import Pulse
from pipeline.publisher.sequence import InOrder


class Stream:
    """What is known of one stream. ``now_ns`` is the host's time, which is a live robot's."""

    def __init__(self, name: str, now_ns: int = 0) -> None:
        self.name = name
        self.about: About | None = None  # expected, and not met yet
        self.epoch = 0
        self.instance = ""
        self.pulse = Pulse(now_ns)
        self.flow = Flow()
        self.ledger = Ledger()
        self.order: InOrder[Embedding | Reason] = InOrder(self.ledger)
        self.progress_ns: int | None = None  # all windows that end by then were opened
        self.told: Health | None = None  # what readers got last, and when
        self.told_ns = 0

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
        return not self.pulse.failed and self.ledger.first() is not None

    @property
    def holds_time(self) -> bool:
        """Whether the robot's time, where streams tell it, waits for this one."""
        if self.pulse.ended:
            return False
        return self.pulse.state not in ("paused", "ended") or self.ledger.first() is not None

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
        self.epoch, self.instance, self.about = epoch, instance, about
        self.progress_ns = None
        self.pulse.begin(epoch)

    def end(self, epoch: int, now_ns: int) -> None:
        """It said goodbye."""
        self.epoch = epoch
        self.pulse.end(now_ns)

    def shift(self, step_ns: int) -> None:
        """The robot's clock is another than was thought."""
        self.told_ns += step_ns
        self.pulse.shift(step_ns)
        self.flow.shift(step_ns)
