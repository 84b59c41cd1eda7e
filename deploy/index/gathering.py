"""The answers of one stream, in whatever order they come, until a part of it is whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bindstream.types import Embedding, Tombstone
from deploy.index.bundle import PART, Answer, End


@dataclass(slots=True)
class Part:
    """The outcomes of ``PART`` windows in a row, by seq; the last part of a stream has fewer."""

    embeddings: dict[int, Embedding] = field(default_factory=dict)
    dropped: dict[int, Tombstone] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.embeddings) + len(self.dropped)


class Gathering:
    """``done``: the numbers of the parts that were written, at first by an earlier start."""

    def __init__(self, done: Iterable[int] = ()) -> None:
        self.done = set(done)
        self.end: End | None = None
        self.reached_ns = 0
        """The latest end of a window that came."""
        self._parts: dict[int, Part] = {}

    def take(self, answer: Answer) -> list[tuple[int, Part]]:
        """The parts that are whole now, each once."""
        for embedding in answer.embeddings:
            self._of(embedding.seq).embeddings[embedding.seq] = embedding
            self.reached_ns = max(self.reached_ns, embedding.end_ns)
        for tombstone in answer.dropped:
            self._of(tombstone.seq).dropped[tombstone.seq] = tombstone
        self.end = answer.end or self.end
        whole = [n for n in sorted(self._parts) if len(self._parts[n]) == self._size(n)]
        self.done.update(whole)
        return [(n, self._parts.pop(n)) for n in whole]

    @property
    def is_over(self) -> bool:
        """Whether all of the stream is in parts; one that broke off never is."""
        if self.end is None or self.end.fault:
            return False
        return len(self.done) >= -(-self.end.outcomes // PART)

    def _of(self, seq: int) -> Part:
        return self._parts.setdefault(seq // PART, Part())

    def _size(self, number: int) -> int:
        """How many outcomes a part has; -1 while nobody knows."""
        if self.end is None or (number + 1) * PART <= self.end.outcomes:
            return PART
        return -1 if self.end.fault else self.end.outcomes - number * PART
