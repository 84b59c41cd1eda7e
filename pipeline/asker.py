"""The windows that are to be put to the encoder, and the threads that put them.

The newest first; or, where nothing may be lost (the robot's time is its streams'), one after
another: then a window waits for its turn.

A process that was stopped and goes on finds a backlog, and cuts windows of it faster than they are
asked for, but one by one: the first would be asked for before the next is there. So one that is
unusually old (see ``lateness``) waits a moment for its successor.
"""

from __future__ import annotations

import threading
import time

from bindstream.types import Reason, Window
from pipeline.courier import Courier
from pipeline.lateness import Lateness
from pipeline.latest import LatestSlot
from pipeline.plan import StreamPlan
from pipeline.start import Start
from pipeline.teller import Teller

OVERTAKE_HOPS = 0.25
"""So long an unusually old window waits. From a sensor that is on time the next is a hop away."""


class Asker:
    """One thread per window that may be with the encoder at a time: each goes with ``courier``.
    Once ``stop`` is set nothing more is asked."""

    def __init__(
        self,
        plan: StreamPlan,
        courier: Courier,
        start: Start,
        teller: Teller,
        stop: threading.Event,
    ) -> None:
        self._courier, self._start, self._teller, self._stop = courier, start, teller, stop
        self._hop_s = plan.hop_s
        self._slot: LatestSlot[Window] = LatestSlot(plan.in_flight)
        self._lateness = Lateness(plan.hop_ns)
        self.threads = [
            threading.Thread(target=self._ask_newest, name=f"encode-{i}", daemon=True)
            for i in range(plan.in_flight)
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
                if self._is_overtaken(window):
                    self._teller.dropped(window, Reason.SUPERSEDED)
                else:
                    self._courier.carry(window)
            finally:
                self._slot.done()

    def _is_overtaken(self, window: Window) -> bool:
        """Whether it is of a backlog, and not the newest of that."""
        if window.lossless:
            return False
        age_ns = self._start.now_ns() - window.end_ns
        if self._lateness.is_unusual(age_ns):
            wait_s = OVERTAKE_HOPS * self._hop_s
            if not self._slot.is_newest(window, wait_s):
                return True
        self._lateness.add(age_ns)
        return False
