"""Whether one stream lives, by when it was heard, and what it said of itself last. Pure."""

from __future__ import annotations

from pipeline.messages import State

SILENT_NS = 2_500_000_000
"""A stream speaks once a second; one that does not for so long is dead, hung or stopped."""
START_NS = 10_000_000_000
"""How long a stream may take from the publisher's start to its first word."""


class Pulse:
    """``now_ns`` is the host's time. ``met``: it was heard of since the publisher's start."""

    def __init__(self, now_ns: int) -> None:
        self.heard_ns = now_ns
        self.met = self.ended = self.failed = False
        self.said: State | None = None
        self.changed_ns = 0  # its state
        self.refusal = ""  # of its newest start

    @property
    def state(self) -> str:
        """opening | running | paused | ended | failed | stopped."""
        if self.ended:
            return "stopped"
        if self.failed:
            return "failed"
        return self.said.state if self.said else "opening"

    def begin(self, epoch: int) -> None:
        """It starts, or goes on, in this epoch; what it said in an earlier one is over."""
        self.met, self.ended, self.refusal = True, False, ""
        if self.said is not None and self.said.epoch != epoch:
            self.said = None

    def end(self, now_ns: int) -> None:
        """It said goodbye."""
        self.met, self.ended, self.failed, self.heard_ns = True, True, False, now_ns

    def beat(self, now_ns: int) -> float | None:
        """It was heard; for how many seconds it was not, if it was thought dead."""
        silent_s = (now_ns - self.heard_ns) / 1e9
        failed, self.failed, self.heard_ns = self.failed, False, now_ns
        return silent_s if failed else None

    def hear(self, said: State, now_ns: int) -> None:
        """Take over what it says of itself."""
        if self.said is None or self.said.state != said.state:
            self.changed_ns = now_ns
        self.said, self.met = said, True

    def shift(self, step_ns: int) -> None:
        """The host's clock is another than was thought."""
        self.heard_ns += step_ns
        self.changed_ns += step_ns

    def is_silent(self, now_ns: int) -> bool:
        """Whether it should have spoken by now."""
        allowed_ns = SILENT_NS if self.met else START_NS
        return not self.ended and now_ns - self.heard_ns > allowed_ns

    def stops(self, now_ns: int) -> bool:
        """Whether it has just fallen silent: from now on it has failed."""
        stops = not self.failed and self.is_silent(now_ns)
        self.failed = self.failed or stops
        return stops

    def silence(self, now_ns: int) -> str:
        """Why nothing is heard of it, in words."""
        if self.refusal:
            return self.refusal
        since = f"nothing heard from it for {(now_ns - self.heard_ns) / 1e9:.1f} s"
        if self.met:
            return f"{since}: its process is dead, hung or stopped"
        return f"has not started: {since}"
