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
    they move. ``held_by``: those that the others wait for.
    """

    def __init__(self) -> None:
        self.now_ns: int | None = None
        self.overdue: set[str] = set()
        self.held_by: list[str] = []
        self._still: dict[str, tuple[int, int]] = {}  # done, and since when on the host's clock

    def move(
        self, standings: Mapping[str, Standing], host_ns: int, ended_ns: int | None = None
    ) -> set[str]:
        """Take in how far the streams are that have not ended, and to where the others came that
        have; return those newly overdue."""
        done = {name: _known(s.done_ns) for name, s in standings.items()}
        newest_ns = max(_known(ended_ns), *done.values(), BEFORE_ALL)
        behind = {n for n, ns in done.items() if ns < newest_ns and not standings[n].busy}
        self._still = {n: self._since(n, ns, host_ns, n in behind) for n, ns in done.items()}
        overdue = {
            n for n, (_, since_ns) in self._still.items() if host_ns - since_ns > PATIENCE_NS
        }
        fresh, self.overdue = overdue - self.overdue, overdue
        waited_for = {n: ns for n, ns in done.items() if n not in overdue}
        least_ns = min(waited_for.values(), default=_known(ended_ns))
        self.held_by = sorted(n for n, ns in waited_for.items() if ns == least_ns < newest_ns)
        if least_ns > BEFORE_ALL:
            self.now_ns = least_ns if self.now_ns is None else max(self.now_ns, least_ns)
        return fresh

    def _since(self, name: str, done_ns: int, host_ns: int, behind: bool) -> tuple[int, int]:
        before_ns, since_ns = self._still.get(name, (done_ns, host_ns))
        return done_ns, since_ns if behind and before_ns == done_ns else host_ns


def _known(ns: int | None) -> int:
    return BEFORE_ALL if ns is None else ns
