"""The ledger of one stream: captured = published + dropped(reason) + open, in every epoch.

Pure accounts, kept by the publisher alone. Each window is opened once and gets exactly one
outcome; a second outcome, an outcome for a seq never opened, or a seq that does not follow is
refused and counted, so that a retry or a replayed message cannot bend the sum. Not
thread-safe: the publisher has one thread for it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from bindstream.types import Stamped
from pipeline.publisher.account import Account, OpenWindow, Outcome, sums

MAX_EPOCHS = 4
"""Epochs shown one by one; older ones are summed up."""


class Ledger:
    """The accounts of one stream over its epochs."""

    def __init__(self) -> None:
        self._epochs: dict[int, Account] = {}
        self._earlier = Account()
        self._newest_epoch = -1
        self._refused: Counter[str] = Counter()

    def adopt(self, epoch: int, next_seq: int) -> None:
        """An epoch goes on that another ledger kept: its seqs before ``next_seq`` are settled."""
        account = self._account(epoch)
        if account is not None:
            account.adopt(next_seq)

    def open(self, window: Stamped, until_ns: int = 0) -> bool:
        """A window was cut. False, and counted, when it cannot be: an old or abandoned epoch,
        a seq already used, too many open."""
        account = self._account(window.epoch)
        if account is None:
            return self.refuse("old_epoch")
        if refusal := account.refusal(window.seq):
            return self.refuse(refusal)
        skipped = account.open(OpenWindow(**window.stamp(), until_ns=until_ns))
        if skipped:  # kept, but somebody lost an announcement
            self._refused["skipped_seq"] += skipped
        return True

    def close(self, epoch: int, seq: int, outcome: Outcome) -> OpenWindow | None:
        """A window got its outcome; return it. None, and counted, when it is not open."""
        if not self.is_open(epoch, seq):
            return None
        return self._epochs[epoch].close(seq, outcome)

    def is_open(self, epoch: int, seq: int) -> bool:
        """Whether a window waits for its outcome. False, and counted, where it does not."""
        account = self._epochs.get(epoch)
        if account is not None and seq in account.windows:
            return True
        known = account is not None and seq <= account.last_seq
        return self.refuse("second_outcome" if known else "unknown_seq")

    def first(self) -> OpenWindow | None:
        """The oldest open window, which all others wait for."""
        accounts = (self._epochs[epoch] for epoch in sorted(self._epochs))
        windows = (window for account in accounts for window in account.windows.values())
        return next(windows, None)

    def overdue(self, now_ns: int) -> OpenWindow | None:
        """The oldest open window, if its time is over."""
        window = self.first()
        return window if window is not None and window.until_ns < now_ns else None

    def open_windows(self, up_to_epoch: int) -> list[OpenWindow]:
        """The open windows of an epoch and of those before it, oldest first."""
        epochs = sorted(number for number in self._epochs if number <= up_to_epoch)
        return [window for number in epochs for window in self._epochs[number].windows.values()]

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
        shown = {str(number): sums([account]) for number, account in self._epochs.items()}
        total = sums([*self._epochs.values(), self._earlier])
        refused = dict(self._refused)
        return {"epoch": self._newest_epoch, **total, "refused": refused, "epochs": shown}

    def _account(self, epoch: int) -> Account | None:
        if epoch > self._newest_epoch:
            self._newest_epoch = epoch
            self._epochs[epoch] = Account()
            _fold(self._epochs, self._earlier)
        return self._epochs.get(epoch)


def _fold(epochs: dict[int, Account], earlier: Account) -> None:
    """Sum up the oldest epochs that owe nothing more, so that memory stays bounded."""
    for number in sorted(epochs)[:-MAX_EPOCHS]:
        if not epochs[number].windows:
            earlier.take_in(epochs.pop(number))
