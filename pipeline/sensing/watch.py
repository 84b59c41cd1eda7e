"""Which call of a driver is running, since when, and whether that is still well. Pure."""

from __future__ import annotations

SLOW_S = 3.0
"""An opening that takes longer is worth a word."""
STUCK_S = {"opening": 15.0, "running": 2.5}
"""A driver that is in one call for so long is said to hang: opening may take a sound server's 5 s
and what it then settles; ``read`` promises to return within its timeout."""
HUNG_S = 60.0
"""One that is in it for so long is to be ended with its process."""


class Watch:
    """Written by the thread that calls the driver, read by any. Times are of one clock, seconds."""

    def __init__(self, now_s: float) -> None:
        self._at = "", now_s

    @property
    def since_s(self) -> float:
        """When the thread last went on to something."""
        return self._at[1]

    def beat(self, now_s: float) -> None:
        """The thread is alive, and in no call."""
        self._at = "", now_s

    def enter(self, call: str, now_s: float) -> None:
        """The driver is called."""
        self._at = call, now_s

    def leave(self) -> None:
        """The call returned."""
        self._at = "", self._at[1]

    def drags(self, now_s: float) -> str:
        """The call that takes its time, in words; "" where none does."""
        return self._overdue(now_s, SLOW_S)

    def hangs(self, state: str, now_s: float) -> str:
        """The call that is taken to hang in that state, in words; "" where none does."""
        return self._overdue(now_s, STUCK_S.get(state, STUCK_S["running"]))

    def hung_s(self, now_s: float) -> float:
        """For how long the thread is beyond hope; 0 where it is not."""
        silent_s = now_s - self.since_s
        return silent_s if silent_s > HUNG_S else 0.0

    def _overdue(self, now_s: float, bearable_s: float) -> str:
        call, since_s = self._at
        if not call or now_s - since_s <= bearable_s:
            return ""
        return f"the driver's {call} has not returned for {now_s - since_s:.0f} s"
