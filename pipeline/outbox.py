"""What a stream said of its windows and its publisher has not settled yet. Pure, bounded.

A publisher may die with what it was sent, or stand still: so all of it is kept until the publisher
says that readers know. Latest wins here too: the vectors of all but the newest windows are
dropped as ``superseded`` when they would have to be said again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from bindstream.types import Embedding, Reason, Tombstone
from pipeline.messages import OfWindow

MOST = 2048
"""Messages kept: a thousand windows, minutes of a stream, at most half a megabyte."""
VECTORS = 8
"""Windows whose vectors are kept."""


class Outbox:
    """Messages of one epoch in the order in which they were said; each goes out once, or again
    after ``again``. ``lost`` counts those that had no room. With ``keeps_all`` no vector fades: the
    caller waits while too many windows are ``unsettled``."""

    def __init__(self) -> None:
        self.keeps_all = False
        self._newest = -1
        self._kept: deque[OfWindow] = deque()
        self._sent = 0
        self._settled = -1
        self.lost = 0

    @property
    def next_seq(self) -> int:
        """The first seq that is not settled."""
        return self._settled + 1

    @property
    def unsettled(self) -> int:
        """Windows up to the newest that are not settled."""
        return self._newest - self._settled

    def add(self, message: OfWindow) -> None:
        """Keep a message until its window is settled; one that is settled already is dropped."""
        if message.seq <= self._settled:
            return
        if len(self._kept) == MOST:
            self._kept.popleft()
            self._sent = max(0, self._sent - 1)
            self.lost += 1
        self._kept.append(message)
        self._newest = max(self._newest, message.seq)
        if isinstance(message, Embedding) and not self.keeps_all:
            self._fade()

    def unsent(self) -> Iterator[OfWindow]:
        """What is to be sent now, in order. Ask for the next one only once the last is sent."""
        while self._sent < len(self._kept):
            yield self._kept[self._sent]
            self._sent += 1

    def settle(self, seq: int) -> None:
        """Readers know the outcomes up to ``seq``."""
        if seq <= self._settled:
            return
        self._settled = seq
        left = [m for m in list(self._kept)[: self._sent] if m.seq > seq]
        rest = [m for m in list(self._kept)[self._sent :] if m.seq > seq]
        self._kept, self._sent = deque([*left, *rest]), len(left)

    def again(self) -> None:
        """Nothing of it arrived: all goes out once more."""
        self._sent = 0

    def _fade(self) -> None:
        """Vectors of windows that others have followed are not worth their memory."""
        vectors = [at for at, m in enumerate(self._kept) if isinstance(m, Embedding)]
        for at in vectors[:-VECTORS]:
            stamp = self._kept[at].stamp()
            self._kept[at] = Tombstone(**stamp, reason=Reason.SUPERSEDED)
