"""How long ``--seconds`` lets a run go on. Pure: the caller brings the clock."""

from __future__ import annotations

DEPLOY_S = 300.0
FIRST_S = 60.0


class Patience:
    """``seconds`` after the first vector it is enough; without a vector, DEPLOY_S after the start
    or FIRST_S after the deployment stood. None: for ever. Times in s of one monotonic clock."""

    def __init__(self, seconds: float | None, begun_s: float) -> None:
        self._seconds = seconds
        self._until_s = float("inf") if seconds is None else begun_s + DEPLOY_S
        self._first = False

    def deployed(self, now_s: float) -> None:
        """Every part runs; vectors are due."""
        if self._seconds is not None and not self._first:
            self._until_s = now_s + FIRST_S

    def vector(self, now_s: float) -> None:
        """One came."""
        if self._seconds is not None and not self._first:
            self._until_s = now_s + self._seconds
        self._first = True

    def hear(self, message: object) -> None:
        """Of messages only vectors matter to it."""

    def over(self, now_s: float) -> bool:
        """Whether the run ends now."""
        return now_s >= self._until_s
