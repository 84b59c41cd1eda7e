"""The windows that are to be put to the encoder, and the threads that put them.

The newest first; or, where nothing may be lost (the robot's time is its streams'), one after
another: then a window waits for its turn.
"""

from __future__ import annotations

import threading
import time

from bindstream.types import Reason, Window
from pipeline.courier import Courier
from pipeline.latest import LatestSlot
from pipeline.teller import Teller


class Asker:
    """One thread per window that may be with the encoder at a time: each goes with ``courier``.
    Once ``stop`` is set nothing more is asked."""

    def __init__(
        self, courier: Courier, teller: Teller, in_flight: int, stop: threading.Event
    ) -> None:
        self._courier, self._teller, self._stop = courier, teller, stop
        self._slot: LatestSlot[Window] = LatestSlot(in_flight)
        self.threads = [
            threading.Thread(target=self._ask_newest, name=f"encode-{i}", daemon=True)
            for i in range(in_flight)
        ]

    def put(self, window: Window) -> None:
        """Next in turn; the one that waited, if any, is dropped as ``superseded``."""
        superseded = self._slot.put(window)
        if superseded is not None:
            self._teller.dropped(superseded, Reason.SUPERSEDED)

    def offer(self, window: Window, timeout_s: float) -> bool:
        """Next in turn, once no other waits. False where that took longer."""
        return self._slot.offer(window, timeout_s)

    def is_idle(self) -> bool:
        """Whether every window has its outcome."""
        return self._slot.is_idle()

    def close(self, until_s: float) -> None:
        """Drop what waits as ``shutdown``, and wait for what is with the encoder, at most until
        ``until_s`` of the monotonic clock."""
        left = self._slot.close()  # wakes the threads that wait for it
        if left is not None:
            self._teller.dropped(left, Reason.SHUTDOWN)
        for thread in self.threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _ask_newest(self) -> None:
        while not self._stop.is_set():
            window = self._slot.take(1.0)
            if window is None:
                continue
            try:
                self._courier.carry(window)
            finally:
                self._slot.done()
