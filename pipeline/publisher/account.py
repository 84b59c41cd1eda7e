"""The account of one epoch: which windows were cut, what became of each, which are open. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from bindstream.types import Reason, Stamped

PUBLISHED: Literal["published"] = "published"
Outcome: TypeAlias = Literal["published"] | Reason

MAX_OPEN = 4096
"""Open windows in one epoch; a stream has a handful, so more means outcomes get lost."""


class OpenWindow(Stamped, frozen=True, kw_only=True):
    """A window that was cut and whose outcome readers have not been told.

    ``until_ns``: its outcome comes by then or never.
    """

    until_ns: int = 0


class Account:
    """One epoch's. ``sealed``: nothing more may be opened in it."""

    def __init__(self) -> None:
        self.sealed = False
        self.last_seq = -1
        self.captured = 0
        self.outcomes: Counter[str] = Counter()
        self.windows: dict[int, OpenWindow] = {}

    def adopt(self, next_seq: int) -> None:
        """Seqs before this one are settled elsewhere; nothing is changed once a window was cut."""
        if not self.captured:
            self.last_seq = next_seq - 1

    def refusal(self, seq: int) -> str:
        """Why a window with this seq cannot be opened; '' where it can."""
        if self.sealed:
            return "old_epoch"
        if seq <= self.last_seq:
            return "reopened"
        return "too_many_open" if len(self.windows) >= MAX_OPEN else ""

    def open(self, window: OpenWindow) -> int:
        """A window was cut; return how many seqs before it were never announced."""
        skipped = window.seq - self.last_seq - 1
        self.last_seq = window.seq
        self.captured += 1
        self.windows[window.seq] = window
        return skipped

    def close(self, seq: int, outcome: Outcome) -> OpenWindow:
        """An open window got its outcome. Raises KeyError where it is not open."""
        window = self.windows.pop(seq)
        self.outcomes[str(outcome)] += 1
        return window

    def take_in(self, other: Account) -> None:
        """The sums of an account that owes nothing more."""
        self.captured += other.captured
        self.outcomes += other.outcomes


def sums(accounts: Iterable[Account]) -> dict[str, Any]:
    """Of several epochs together: captured, published, dropped by reason, open."""
    held = list(accounts)
    outcomes: Counter[str] = sum((a.outcomes for a in held), Counter())
    published = outcomes.pop(PUBLISHED, 0)
    return {
        "captured": sum(a.captured for a in held),
        "published": published,
        "dropped": dict(outcomes),
        "open": sum(len(a.windows) for a in held),
    }
