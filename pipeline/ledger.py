"""The ledger of one stream: captured = published + dropped(reason) + open, in every epoch.

Pure accounts, kept by the publisher alone. Each window is opened once and gets exactly one
outcome; a second outcome, an outcome for a seq never opened, or a seq that does not follow is
refused and counted, so that a retry or a replayed message cannot bend the sum. Not
thread-safe: the publisher has one thread for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bindstream.types import Reason

PUBLISHED: Literal["published"] = "published"
Outcome: TypeAlias = Literal["published"] | Reason

MAX_OPEN = 4096
"""Open windows in one epoch; a stream has a handful, so more means outcomes get lost."""
MAX_EPOCHS = 4
"""Epochs shown one by one; older ones are summed up."""


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window that was cut and has no outcome yet."""

    epoch: int
    seq: int
    start_ns: int
    end_ns: int


@dataclass(slots=True)
class _Account:
    captured: int = 0
    last_seq: int = -1
    sealed: bool = False
    outcomes: Counter[str] = field(default_factory=Counter)
    open: dict[int, OpenWindow] = field(default_factory=dict)


class Ledger:
    """The accounts of one stream over its epochs."""

    def __init__(self) -> None:
        self._epochs: dict[int, _Account] = {}
        self._earlier = _Account()
        self._newest_epoch = -1
        self._refused: Counter[str] = Counter()

    def open(self, epoch: int, seq: int, start_ns: int, end_ns: int) -> bool:
        """A window was cut. False, and counted, when it cannot be: an old or abandoned epoch,
        a seq already used, too many open."""
        account = self._account(epoch)
        if account is None or account.sealed:
            return self._refuse("old_epoch")
        if seq <= account.last_seq:
            return self._refuse("reopened")
        if len(account.open) >= MAX_OPEN:
            return self._refuse("too_many_open")
        if seq > account.last_seq + 1:  # kept, but somebody lost an announcement
            self._refused["skipped_seq"] += seq - account.last_seq - 1
        account.last_seq = seq
        account.captured += 1
        account.open[seq] = OpenWindow(epoch, seq, start_ns, end_ns)
        return True

    def close(self, epoch: int, seq: int, outcome: Outcome) -> OpenWindow | None:
        """A window got its outcome; return it. None, and counted, when it is not open."""
        account = self._epochs.get(epoch)
        window = account.open.pop(seq, None) if account else None
        if account is None or window is None:
            known = account is not None and seq <= account.last_seq
            self._refuse("second_outcome" if known else "unknown_seq")
            return None
        account.outcomes[str(outcome)] += 1
        return window

    def abandon(self, epoch: int, reason: Reason) -> list[OpenWindow]:
        """Drop all open windows of an epoch and of those before it, for ``reason``, and let
        nothing more be opened there; return them, oldest first, for their tombstones.

        ``crash_lost`` when a new epoch begins, ``shutdown`` when the stream has drained.
        """
        lost: list[OpenWindow] = []
        for number in sorted(self._epochs):
            if number > epoch:
                break
            account = self._epochs[number]
            account.sealed = True
            account.outcomes[reason.value] += len(account.open)
            lost += account.open.values()
            account.open.clear()
        return lost

    def open_windows(self) -> list[OpenWindow]:
        """All windows without an outcome, oldest first."""
        return [w for epoch in sorted(self._epochs) for w in self._epochs[epoch].open.values()]

    def accounts(self) -> dict[str, Any]:
        """The sums as plain data for health messages::

            {"epoch": 7, "captured": 90, "published": 80, "dropped": {"late": 9}, "open": 1,
             "refused": {"second_outcome": 1}, "epochs": {"7": {...}, "6": {...}}}

        The first four are over all epochs; ``epochs`` holds the newest ones alone.
        """
        shown = {str(number): _sums([account]) for number, account in self._epochs.items()}
        total = _sums([*self._epochs.values(), self._earlier])
        refused = dict(self._refused)
        return {"epoch": self._newest_epoch, **total, "refused": refused, "epochs": shown}

    def _account(self, epoch: int) -> _Account | None:
        if epoch > self._newest_epoch:
            self._newest_epoch = epoch
            self._epochs[epoch] = _Account()
            self._fold()
        return self._epochs.get(epoch)

    def _fold(self) -> None:
        """Sum up the oldest epochs that owe nothing more, so that memory stays bounded."""
        for number in sorted(self._epochs)[:-MAX_EPOCHS]:
            account = self._epochs[number]
            if not account.open:
                self._earlier.captured += account.captured
                self._earlier.outcomes += account.outcomes
                del self._epochs[number]

    def _refuse(self, why: str) -> Literal[False]:
        self._refused[why] += 1
        return False


def _sums(accounts: list[_Account]) -> dict[str, Any]:
    outcomes: Counter[str] = sum((a.outcomes for a in accounts), Counter())
    published = outcomes.pop(PUBLISHED, 0)
    return {
        "captured": sum(a.captured for a in accounts),
        "published": published,
        "dropped": dict(outcomes),
        "open": sum(len(a.open) for a in accounts),
    }
