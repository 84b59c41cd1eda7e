"""When a live robot's scenes are due: on the Unix grid, each a little after its moment. Pure."""

from __future__ import annotations


class Ticks:
    """``hop_ns`` apart; a tick is due ``delay_ns`` after it, so that its vectors can come."""

    def __init__(self, hop_ns: int, delay_ns: int, now_ns: int) -> None:
        self._hop_ns, self._delay_ns = hop_ns, delay_ns
        self.start(now_ns)

    def start(self, now_ns: int) -> None:
        """The next is that of the grid by the clock as it is now."""
        self._tick_ns = (now_ns // self._hop_ns + 1) * self._hop_ns

    def wait_ns(self, now_ns: int) -> int:
        """Until the next one is due; below 0 where it is overdue."""
        return self._tick_ns + self._delay_ns - now_ns

    def due(self, now_ns: int) -> int | None:
        """The one that is due, if it is."""
        return self._tick_ns if self.wait_ns(now_ns) <= 0 else None

    def done(self, now_ns: int) -> None:
        """Its scenes were made. Of those missed meanwhile only the newest is made up for."""
        self._tick_ns = max(self._tick_ns + self._hop_ns, now_ns // self._hop_ns * self._hop_ns)
