"""One topic of a recorded file, and one message of it: what all kinds of files have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Topic:
    """``kind``: the type of its messages, ``notes``: what its writer noted of it. Of ``count``
    messages the first was recorded at ``first_ns``, the last at ``last_ns`` (of the file, where
    its index says no more)."""

    name: str
    kind: str
    notes: Mapping[str, str] = field(default_factory=dict)
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0

    @property
    def rate_hz(self) -> float:
        """Messages per second, on average; 0 where that cannot be said."""
        length_ns = self.last_ns - self.first_ns
        return (self.count - 1) * 1e9 / length_ns if self.count > 1 and length_ns > 0 else 0.0

    def and_also(self, other: Topic) -> Topic:
        """The same topic over two files."""
        first_ns = min((t.first_ns for t in (self, other) if t.count), default=0)
        last_ns = max(self.last_ns, other.last_ns)
        count = self.count + other.count
        return Topic(self.name, self.kind, {**other.notes, **self.notes}, count, first_ns, last_ns)


class Recorded(NamedTuple):
    """A message as it lies in a file, and when it was recorded (Unix ns)."""

    topic: Topic
    log_ns: int
    data: memoryview


Wanted = Callable[[Topic], bool]


class File(Protocol):
    """One file of messages. ``starts_ns``: when the first was recorded; 0 where there is none.
    ``damaged``: places that could not be read, so far. ``has_index``: its topics are known without
    reading all of it."""

    damaged: int
    starts_ns: int
    has_index: bool

    def topics(self) -> list[Topic]:
        """All of them, each once."""

    def messages(self, wanted: Wanted) -> Iterator[Recorded | None]:
        """Those of the topics that are wanted, in the order in which they lie in the file; None
        now and then, so that who searches a long file can do something else meanwhile."""
