"""Each window or hole that was cut is told of; holes are excused, windows are put in line."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec.structs import replace

from bindstream.types import Reason, Window
from pipeline.asker import Asker
from pipeline.pauses import Pauses
from pipeline.start import Start
from pipeline.teller import Teller
from pipeline.windows.hole import Hole, Outcome

AHEAD_S = 0.005
IN_LINE_S = 0.1
UNSETTLED = 16
"""Where nothing may be lost, no window is cut while the publisher owes an answer to so many."""


class Dispatch:
    """``deadline_s``: how long after its end a window is worth asking for. Where nothing may be
    lost, whoever passes a window on waits for its turn, and calls ``meanwhile`` now and then."""

    def __init__(
        self,
        deadline_s: float,
        start: Start,
        teller: Teller,
        asker: Asker,
        pauses: Pauses,
        stop: threading.Event,
    ) -> None:
        self._deadline_ns = round(deadline_s * 1e9)
        self._start, self._teller = start, teller
        self._asker, self._pauses, self._stop = asker, pauses, stop

    def pass_on(self, cut: Outcome, meanwhile: Callable[[], None]) -> None:
        """From now on an outcome is owed."""
        lossless = not self._start.clock.is_live
        if lossless:
            self._wait_for_publisher(meanwhile)
        self._teller.opened(cut)
        if isinstance(cut, Hole):
            self._teller.dropped(cut, self._pauses.reason(cut))
            return
        now_ns = self._start.stamp_ns(cut.captured_ns)
        deadline_ns = cut.end_ns + self._deadline_ns
        window = replace(cut, windowed_ns=now_ns, deadline_ns=deadline_ns, lossless=lossless)
        if lossless:
            self._wait_in_line(window, meanwhile)
        else:
            self._asker.put(window)

    def end(self, why: str) -> bool:
        """Nothing follows: told, as ``stream_ended``, once every window has its outcome. False
        where one has not."""
        if not self._asker.is_idle():
            return False
        self._teller.happened("stream_ended", why)
        return True

    def _wait_for_publisher(self, meanwhile: Callable[[], None]) -> None:
        while self._teller.unsettled >= UNSETTLED and not self._stop.wait(AHEAD_S):
            meanwhile()

    def _wait_in_line(self, window: Window, meanwhile: Callable[[], None]) -> None:
        while not self._asker.offer(window, IN_LINE_S):
            if self._stop.is_set():
                self._teller.dropped(window, Reason.SHUTDOWN)
                return
            meanwhile()
