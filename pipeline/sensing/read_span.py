"""When what a driver gives can have come, by its robot's clock."""

from __future__ import annotations

from collections.abc import Callable

from sensors.driver import Clock


class ReadSpan:
    """From when the driver last had given all that it had, or was opened, until now.

    ``is_past``: whether it may be of any time, as of a recording.
    """

    def __init__(self, now_ns: Clock, is_past: Callable[[], bool]) -> None:
        self._now_ns, self._is_past = now_ns, is_past
        self._since_s = 0.0

    def begin(self, monotonic_s: float) -> None:
        """The driver is opened."""
        self._since_s = monotonic_s

    def end(self, monotonic_s: float) -> tuple[int, int] | None:
        """A read has returned: (since, until) of what it gave, ns; None where that is not known."""
        past_s, self._since_s = monotonic_s - self._since_s, monotonic_s
        if self._is_past():
            return None
        now_ns = self._now_ns()
        return now_ns - round(past_s * 1e9), now_ns
