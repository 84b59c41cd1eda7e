"""A call that may hang in a library (PortAudio does, when its daemon is stopped), made bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Call(Generic[T]):
    """One call on its own daemon thread; its result or error, or neither when abandoned."""

    def __init__(self, work: Callable[[], T], undo: Callable[[T | None], object]) -> None:
        self._work = work
        self._undo = undo
        self._lock = threading.Lock()
        self._abandoned = False
        self.done = threading.Event()
        self.results: list[T] = []
        self.error: Exception | None = None

    def __call__(self) -> None:
        result, error = None, None
        try:
            result = self._work()
        except Exception as raised:  # handed to the caller, who may be gone by now
            error = raised
        with self._lock:
            late = self._abandoned
            self.error = error
            if error is None:
                self.results.append(result)  # type: ignore[arg-type]
            self.done.set()
        if late:
            self._undo(result)

    def abandon(self) -> None:
        """Nobody waits any more: what still comes is undone. Unless it came just now."""
        with self._lock:
            self._abandoned = not self.done.is_set()
        if self._abandoned:
            raise TimeoutError


def call_within(
    timeout_s: float, work: Callable[[], T], undo: Callable[[T | None], object] = lambda _: None
) -> T:
    """``work()``, or TimeoutError after ``timeout_s``.

    If it still ends later, ``undo`` gets its result (None if it raised). This is the only thread
    that a driver starts, and it reads nothing: a library's call that hangs cannot be ended in
    any other way, and a driver must be able to give up on it.
    """
    call = _Call(work, undo)
    threading.Thread(target=call, name="bounded-call", daemon=True).start()
    if not call.done.wait(timeout_s):
        call.abandon()
    if call.error is not None:
        raise call.error
    return call.results[0]
