"""How old a stream's windows usually are when they are asked for, and which are unusually so."""

from __future__ import annotations

import statistics
import threading
from collections import deque

FEW = 20
"""So many of the latest windows say what is usual."""
HOPS = 2


class Lateness:
    """A camera behind a network may always be seconds late, a microphone never: what is usual is
    the median of what was. Any thread may use it."""

    def __init__(self, hop_ns: int) -> None:
        self._most_ns = HOPS * hop_ns
        self._ages_ns: deque[int] = deque(maxlen=FEW)
        self._usual_ns = 0.0
        self._lock = threading.Lock()

    def add(self, age_ns: int) -> None:
        """A window that old is asked for."""
        with self._lock:
            self._ages_ns.append(age_ns)
            self._usual_ns = statistics.median(self._ages_ns)

    def is_unusual(self, age_ns: int) -> bool:
        """Whether it is more than two hops older than is usual."""
        return age_ns > self._usual_ns + self._most_ns
