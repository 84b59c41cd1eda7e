"""Do a live scene's words follow the world's truth? Scored tick by tick; pure.

The simulated world is a function of seed and time, so a reader can know the truth at every tick.
A tick is judged per question: settled when the truth has held for longer than the longest window
that can answer plus one hop; until then a change is still being followed, and how long that takes
is measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tick:
    """One scene against the truth. ``truth`` per question: every word that is right;
    ``held_s``: for how long that has been so; ``said``: the scene's words."""

    t_s: float
    truth: Mapping[str, frozenset[str]]
    held_s: Mapping[str, float]
    said: Mapping[str, str]


@dataclass(slots=True)
class _Account:
    settled: int = 0
    right: int = 0
    silent: int = 0
    lags_s: list[float] = field(default_factory=list)
    waiting_since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """``accuracy`` over settled ticks (silence counts as wrong); ``lag_p50_s`` and ``lag_max_s``
    from a change to the first right word; ``missed`` changes were never followed."""

    question: str
    ticks: int
    accuracy: float
    silent: float
    changes: int
    missed: int
    lag_p50_s: float | None
    lag_max_s: float | None
    allowed_s: float


class Following:
    """Ticks in, scores out. ``allowed_s`` per question: longest window that can answer + hop."""

    def __init__(self, allowed_s: Mapping[str, float]) -> None:
        self._allowed_s = dict(allowed_s)
        self._accounts: dict[str, _Account] = defaultdict(_Account)
        self._missed: dict[str, int] = defaultdict(int)
        self._last: Tick | None = None

    def add(self, tick: Tick) -> None:
        """Judge one scene; ticks come in the order of time."""
        for question, allowed_s in self._allowed_s.items():
            account = self._accounts[question]
            right = tick.said.get(question) in tick.truth[question]
            self._watch_change(question, account, tick)
            if right and account.waiting_since_s is not None:
                account.lags_s.append(tick.t_s - account.waiting_since_s)
                account.waiting_since_s = None
            if tick.held_s[question] > allowed_s:
                account.settled += 1
                account.right += right
                account.silent += question not in tick.said
        self._last = tick

    def scores(self) -> list[Score]:
        """One per question."""
        return [self._score(question) for question in self._allowed_s]

    def _watch_change(self, question: str, account: _Account, tick: Tick) -> None:
        last = self._last
        if last is None or last.truth[question] == tick.truth[question]:
            return
        self._missed[question] += account.waiting_since_s is not None
        account.waiting_since_s = tick.t_s - tick.held_s[question]

    def _score(self, question: str) -> Score:
        account = self._accounts[question]
        lags, missed = sorted(account.lags_s), self._missed[question]
        settled = max(account.settled, 1)
        return Score(
            question=question,
            ticks=account.settled,
            accuracy=account.right / settled,
            silent=account.silent / settled,
            changes=len(lags) + missed,
            missed=missed,
            lag_p50_s=lags[len(lags) // 2] if lags else None,
            lag_max_s=lags[-1] if lags else None,
            allowed_s=self._allowed_s[question],
        )
