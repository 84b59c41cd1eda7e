"""What the world has drawn and keeps: little while it is live, all of it where scenes are rendered.

A live robot sees one scene for seconds and may wait some milliseconds for the next one's
drawings; kept for good, they would grow its process for hours. Training meets the same drawings
thousands of times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar, TypeVarTuple

K = TypeVarTuple("K")
T = TypeVar("T")

_all = False


def kept(live: int) -> Callable[[Callable[[*K], T]], Callable[[*K], T]]:
    """A decorator: recall the last ``live`` results of a pure function of hashable arguments, or
    every result once ``keep_all`` was called."""

    def decorate(draw: Callable[[*K], T]) -> Callable[[*K], T]:
        newest = lru_cache(maxsize=live)(draw)
        every = lru_cache(maxsize=None)(draw)

        @wraps(draw)
        def recall(*key: *K) -> T:
            return (every if _all else newest)(*key)

        return recall

    return decorate


def keep_all() -> None:
    """Forget nothing in this process from now on: at most about 270 MB, for whoever renders."""
    global _all
    _all = True
