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

from bindstream.types import Reason, Stamped

PUBLISHED: Literal["published"] = "published"
Outcome: TypeAlias = Literal["published"] | Reason

MAX_OPEN = 4096
"""Open windows in one epoch; a stream has a handful, so more means outcomes get lost."""
MAX_EPOCHS = 4
"""Epochs shown one by one; older ones are summed up."""


class OpenWindow(Stamped, frozen=True, kw_only=True):
    """A window that was cut and whose outcome readers have not been told.

    ``until_ns``: its outcome comes by then or never.
    """

    until_ns: int = 0


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

    def adopt(self, epoch: int, next_seq: int) -> None:
        """An epoch goes on that another ledger kept: its seqs before ``next_seq`` are settled."""
        account = self._account(epoch)
        if account is not None and not account.captured:
            account.last_seq = next_seq - 1

    def open(self, window: Stamped, until_ns: int = 0) -> bool:
        """A window was cut. False, and counted, when it cannot be: an old or abandoned epoch,
        a seq already used, too many open."""
        account, seq = self._account(window.epoch), window.seq
        if account is None or account.sealed:
            return self.refuse("old_epoch")
        if seq <= account.last_seq:
            return self.refuse("reopened")
        if len(account.open) >= MAX_OPEN:
            return self.refuse("too_many_open")
        if seq > account.last_seq + 1:  # kept, but somebody lost an announcement
            self._refused["skipped_seq"] += seq - account.last_seq - 1
        account.last_seq = seq
        account.captured += 1
        account.open[seq] = OpenWindow(**window.stamp(), until_ns=until_ns)
        return True

    def close(self, epoch: int, seq: int, outcome: Outcome) -> OpenWindow | None:
        """A window got its outcome; return it. None, and counted, when it is not open."""
        if not self.is_open(epoch, seq):
            return None
        account = self._epochs[epoch]
        account.outcomes[str(outcome)] += 1
        return account.open.pop(seq)

    def is_open(self, epoch: int, seq: int) -> bool:
        """Whether a window waits for its outcome. False, and counted, where it does not."""
        account = self._epochs.get(epoch)
        if account is not None and seq in account.open:
            return True
        known = account is not None and seq <= account.last_seq
        return self.refuse("second_outcome" if known else "unknown_seq")

    def first(self) -> OpenWindow | None:
        """The oldest open window, which all others wait for."""
        windows = (w for epoch in sorted(self._epochs) for w in self._epochs[epoch].open.values())
        return next(windows, None)

    def overdue(self, now_ns: int) -> OpenWindow | None:
        """The oldest open window, if its time is over."""
        window = self.first()
        return window if window is not None and window.until_ns < now_ns else None

    def open_windows(self, up_to_epoch: int) -> list[OpenWindow]:
        """The open windows of an epoch and of those before it, oldest first."""
        epochs = sorted(number for number in self._epochs if number <= up_to_epoch)
        return [window for number in epochs for window in self._epochs[number].open.values()]

    def seal(self, up_to_epoch: int) -> None:
        """Let nothing more be opened in an epoch and those before it."""
        for number, account in self._epochs.items():
            account.sealed = account.sealed or number <= up_to_epoch

    def refuse(self, why: str) -> Literal[False]:
        """Count something that does not fit the accounts."""
        self._refused[why] += 1
        return False

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


def _sums(accounts: list[_Account]) -> dict[str, Any]:
    outcomes: Counter[str] = sum((a.outcomes for a in accounts), Counter())
    published = outcomes.pop(PUBLISHED, 0)
    return {
        "captured": sum(a.captured for a in accounts),
        "published": published,
        "dropped": dict(outcomes),
        "open": sum(len(a.open) for a in accounts),
    }
