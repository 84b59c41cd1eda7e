"""How tests wait, and how they tell a busy machine from a fault.

What must come is waited for with ``until``: a deadline that no loaded machine meets costs nothing
where all is well. What must be quick is bounded by what ``Stalls`` or ``slowness`` measured
meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 60.0
"""Nothing that works takes so long, whatever else the machine does."""
TICK_S = 0.005
NOISE_S = 0.001
SPIN_S = 0.02


def until(
    condition: Callable[[], T], what: object = "what was waited for", seconds: float = PATIENCE_S
) -> T:
    """The condition's value, once it is true. Fails with ``what`` (called, where it can be)."""
    end_s = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end_s:
            said = what() if callable(what) else what
            raise AssertionError(f"in {seconds:.0f} s there was not: {said}")
        time.sleep(0.01)
    return found


def slowness() -> float:
    """How much longer than on an idle machine work takes just now: wall over CPU time of a short
    loop of this thread, at least 1."""
    wall_s, busy_s = time.perf_counter(), time.thread_time()
    while (spun_s := time.thread_time() - busy_s) < SPIN_S:
        pass
    return max(1.0, (time.perf_counter() - wall_s) / spun_s)


class Stalls:
    """For how long a thread that only had to wake up did not, while the context lasts.

    A bound on a time is then the one of an idle machine plus ``lost_s``: a fault that waits,
    blocks or queues sleeps, and this thread with its clock goes on meanwhile. Work that computes
    is slowed down more than a thread that wakes: see ``slowness``.
    """

    def __init__(self) -> None:
        self._late: list[tuple[int, int]] = []
        self._due_ns = time.time_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="stalls", daemon=True)

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def lost_s(self, since_ns: int = 0, until_ns: int = 1 << 62) -> float:
        """Seconds of standing still, all in all, between two times (Unix ns)."""
        return sum(self._within(since_ns, until_ns)) / 1e9

    def worst_s(self, since_ns: int = 0, until_ns: int = 1 << 62) -> float:
        """Seconds of the longest of them."""
        return max(self._within(since_ns, until_ns), default=0) / 1e9

    def _within(self, since_ns: int, until_ns: int) -> list[int]:
        late = [*self._late, (self._due_ns, time.time_ns())]  # the last: it may stand still now
        return [
            min(until_ns, woke_ns) - max(since_ns, due_ns)
            for due_ns, woke_ns in late
            if min(until_ns, woke_ns) > max(since_ns, due_ns)
        ]

    def _tick(self) -> None:
        while not self._stop.is_set():
            self._due_ns = time.time_ns() + int((TICK_S + NOISE_S) * 1e9)
            time.sleep(TICK_S)
            if (woke_ns := time.time_ns()) > self._due_ns:
                self._late.append((self._due_ns, woke_ns))
