"""What waits for an encoder: one window of each stream, and who is to get its answer."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

from bindstream.types import Encoding, Window


@dataclass(slots=True, eq=False)
class Waiting:
    """One window; times by CLOCK_MONOTONIC. ``future`` belongs to the loop of whoever asked."""

    window: Window
    arrived_s: float
    expires_s: float
    future: asyncio.Future[Encoding]

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.future.done()

    def answer(self, outcome: Encoding | Exception) -> None:
        """Hand it to the loop that waits; one that gave up meanwhile is left alone."""

        def settle() -> None:
            if self.future.done():
                return
            if isinstance(outcome, Exception):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)

        self.future.get_loop().call_soon_threadsafe(settle)


class Queue:
    """In turn by stream. Each stream has one place: a newer window takes it over. A window that is
    lossless has a place of its own. Any thread may use it."""

    def __init__(self) -> None:
        self._places: dict[tuple[str | int, ...], Waiting] = {}
        self._lock = threading.Lock()

    def put(self, waiting: Waiting) -> Waiting | None:
        """Let it wait; return the one that shall wait no more, because it is the older."""
        window = waiting.window
        place: tuple[str | int, ...] = window.robot, window.stream
        if window.lossless:  # its stream waits for it, and has few at a time
            place += window.epoch, window.seq
        with self._lock:
            newest, older = _by_age(waiting, self._places.get(place))
            self._places[place] = newest
        return older

    def take(self, most: int) -> tuple[list[Waiting], list[Waiting]]:
        """(The next batch, all alike; those met on the way whose time is over). What was given up
        is in neither."""
        batch: list[Waiting] = []
        expired: list[Waiting] = []
        with self._lock:
            for place, waiting in list(self._places.items()):
                if len(batch) == most:
                    break
                if batch and not _alike(batch[0].window, waiting.window):
                    continue
                del self._places[place]
                if not waiting.is_given_up:
                    late = waiting.expires_s < time.monotonic()
                    (expired if late else batch).append(waiting)
        return batch, expired

    def oldest_s(self) -> float | None:
        """When the one that waits longest arrived; None where nothing waits."""
        with self._lock:
            return min((w.arrived_s for w in self._places.values()), default=None)


def _by_age(a: Waiting, b: Waiting | None) -> tuple[Waiting, Waiting | None]:
    """The newer first: two calls of one stream may overtake each other on their way."""
    if b is None or a.window.end_ns >= b.window.end_ns:
        return a, b
    return b, a


def _alike(a: Window, b: Window) -> bool:
    return a.modality is b.modality and a.data.shape == b.data.shape
