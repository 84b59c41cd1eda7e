"""Robot time where its streams tell it: that to which all of them have come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

PATIENCE_NS = 60_000_000_000
"""How long, of the host's time, the others wait for a stream that does not move."""
BEFORE_ALL = -1


class Standing(NamedTuple):
    """How far a stream is: all its windows that end by ``done_ns`` have had their outcome (None:
    nothing is known of it yet). ``busy``: an outcome of its is being waited for."""

    done_ns: int | None
    busy: bool = False


class Watermark:
    """``now_ns`` never goes back, and never passes a stream that is waited for.

    The patience with a stream runs only while another is ahead of it and it is not busy: an
    encoder's silence has bounds of its own. ``overdue``: those that are waited for no more, until
    they move.
    """

    def __init__(self) -> None:
        self.now_ns: int | None = None
        self.overdue: set[str] = set()
        self._still: dict[str, tuple[int, int]] = {}  # done, and since when on the host's clock

    def move(self, standings: Mapping[str, Standing], host_ns: int) -> set[str]:
        """Take in how far the streams are that have not ended; return those newly overdue."""
        done = {name: _known(s) for name, s in standings.items()}
        newest_ns = max(done.values(), default=BEFORE_ALL)
        for name, standing in standings.items():
            waited_for = done[name] < newest_ns and not standing.busy
            before_ns, since_ns = self._still.get(name, (done[name], host_ns))
            moved = before_ns != done[name] or not waited_for
            self._still[name] = (done[name], host_ns if moved else since_ns)
        self._still = {name: self._still[name] for name in standings}
        overdue = {
            n for n, (_, since_ns) in self._still.items() if host_ns - since_ns > PATIENCE_NS
        }
        fresh, self.overdue = overdue - self.overdue, overdue
        self._reach(
            min((ns for name, ns in done.items() if name not in overdue), default=BEFORE_ALL)
        )
        return fresh

    def finish(self, last_ns: int | None) -> None:
        """No stream is left: time has come to what the last of them reached."""
        self._reach(BEFORE_ALL if last_ns is None else last_ns)

    def held_by(self, standings: Mapping[str, Standing]) -> list[str]:
        """Whom the others wait for."""
        done = {n: _known(s) for n, s in standings.items() if n not in self.overdue}
        least_ns, most_ns = min(done.values(), default=0), max(done.values(), default=0)
        return sorted(n for n, ns in done.items() if ns == least_ns < most_ns)

    def _reach(self, t_ns: int) -> None:
        if t_ns > BEFORE_ALL:
            self.now_ns = t_ns if self.now_ns is None else max(self.now_ns, t_ns)


def _known(standing: Standing) -> int:
    return BEFORE_ALL if standing.done_ns is None else standing.done_ns
