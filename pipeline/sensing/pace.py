"""How long a sensor may say nothing before it counts as lost: by its own pace. Pure.

A camera that is still for two seconds hangs. A device that gives five seconds' readings at once,
every five seconds, does not: its reader must learn that, and not open it for ever anew.
"""

from __future__ import annotations

from collections import deque

LEAST_S, MOST_S = 2.0, 30.0
PERIODS = 10
OVERDUE_S, OVERDUE_PERIODS, OVERDUE_WAITS = 0.5, 3, 1.5
"""A silence of so long is worth a word: in seconds, in periods, in the longest of usual waits."""
GAPS = 20
"""So many of the latest waits are remembered."""


class Pace:
    """``patience_s``: the silence that is borne now.

    Two seconds, or ten of the device's periods where that is more; without a rate, any. Twice the
    longest of the latest waits is borne too, and each loss for silence doubles what the next
    opening gets, up to half a minute, until the device has shown its pace.
    """

    def __init__(self) -> None:
        self._least_s = LEAST_S
        self._overdue_s = OVERDUE_S
        self._lenient_s = 0.0
        self._heard_s: float | None = None
        self._waits_s: deque[float] = deque(maxlen=GAPS)

    def begin(self, now_s: float, rate_hz: float) -> None:
        """The device is open; ``rate_hz`` 0: samples come now and then."""
        self._least_s = max(LEAST_S, PERIODS / rate_hz) if rate_hz > 0 else float("inf")
        self._overdue_s = max(OVERDUE_S, OVERDUE_PERIODS / rate_hz) if rate_hz > 0 else float("inf")
        self._heard_s = now_s

    def heard(self, now_s: float) -> None:
        """Samples came."""
        if self._heard_s is not None:
            self._waits_s.append(now_s - self._heard_s)
        self._heard_s = now_s
        if len(self._waits_s) == GAPS:
            self._lenient_s = 0.0  # from now on what it showed decides

    def lost(self) -> None:
        """The silence was a loss: of a device that ever gave anything, the next may last longer."""
        if self._waits_s:
            self._lenient_s = min(MOST_S, 2 * self.patience_s)

    def silent_s(self, now_s: float) -> float:
        """Seconds since samples came, or since the opening."""
        return 0.0 if self._heard_s is None else now_s - self._heard_s

    def overdue_s(self, now_s: float) -> float:
        """Seconds of silence, where that is longer than a device of this rate takes; else 0."""
        silent_s = self.silent_s(now_s)
        usual_s = OVERDUE_WAITS * max(self._waits_s, default=0.0)
        return silent_s if silent_s > max(self._overdue_s, usual_s) else 0.0

    @property
    def patience_s(self) -> float:
        """Seconds of silence that are no loss."""
        usual_s = min(MOST_S, 2 * max(self._waits_s, default=0.0))
        return max(self._least_s, self._lenient_s, usual_s)
