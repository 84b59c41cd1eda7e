"""What a modality must say of its samples, so that windows can be cut of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from bindstream.types import Array, Sample
from pipeline.windows.piece import Piece


class Content(Protocol):
    """The samples of one modality, and how a window is made of them.

    ``first_ns``: time of the first sample since the start (or restart); None before it.
    ``jitter_ns``: stamps that step back by no more are not out of order.
    """

    jitter_ns: int

    @property
    def first_ns(self) -> int | None: ...

    def accepts(self, data: Array) -> bool:
        """Whether the data is what ``Sample`` promises for this modality."""

    def take(self, sample: Sample) -> Iterator[int]:
        """Store a sample, in steps; after each say up to when (exclusive) all is known, so
        that windows are cut before more is stored."""

    def cut(self, start_ns: int, end_ns: int) -> Piece | None:
        """The content of [start_ns, end_ns); None where it holds too little."""

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the earliest stored sample not before ``after_ns``."""

    def forget(self, before_ns: int) -> None:
        """No window will start before that any more."""

    def restart(self) -> None:
        """Forget all samples."""

    def stats(self) -> dict[str, int]:
        """Counts of its own."""
