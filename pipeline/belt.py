"""From what was read to what is asked: the work of the windows thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from bindstream.types import Sample
from pipeline.cutter import Cutter
from pipeline.dispatch import Dispatch
from pipeline.sensing.capture import Capture
from pipeline.sensing.handover import Handover
from pipeline.start import Start
from pipeline.windows.hole import Outcome

UNTOLD_S = 0.05
TAKE_S = 0.1
AHEAD_S = 0.005


class Belt:
    """Takes samples from the handover, has them cut, and has passed on what comes of them. Where
    the robot's time is its streams', never further ahead of it than ``clock`` allows."""

    def __init__(
        self,
        capture: Capture,
        handover: Handover,
        cutter: Cutter,
        dispatch: Dispatch,
        start: Start,
        stop: threading.Event,
    ) -> None:
        self._capture, self._handover = capture, handover
        self._cutter, self._dispatch = cutter, dispatch
        self._start, self._stop = start, stop
        self._taken: deque[Sample] = deque()
        self._flushed = self._drained = False

    @property
    def state(self) -> str:
        """That of the sensor; one that ended is ``running`` until all its windows are told."""
        state = self._capture.state
        return "running" if state == "ended" and not self._drained else state

    @property
    def why(self) -> str:
        """Why nothing is cut; "" where nothing is in the way."""
        return self._cutter.why

    def stats(self) -> dict[str, int]:
        """What was cut, and what was not."""
        return self._cutter.stats()

    def run(self, meanwhile: Callable[[], None]) -> None:
        """Until told to stop; ``meanwhile`` is called now and then."""
        while not self._stop.is_set():
            if not self._cutter.is_told:  # what the sensor gives meanwhile waits, within bounds
                self._stop.wait(UNTOLD_S)
            else:
                self._push_what_may_be(meanwhile)
                self._end_if_over(meanwhile)
            meanwhile()
        self._pass_on(self._cutter.flush(), meanwhile)

    def _push_what_may_be(self, meanwhile: Callable[[], None]) -> None:
        """All that was read, or as far as the stream may be ahead of the robot's time."""
        clock = self._start.clock
        if not self._taken:
            self._taken.extend(self._handover.take(TAKE_S))
        while self._taken and not clock.is_ahead():
            if self._handover.waits and self._stop.is_set():
                return
            self._pass_on(self._cutter.push(self._taken.popleft()), meanwhile)
            if self._cutter.known_ns is not None:
                self._start.come_to(self._cutter.known_ns)
        if not self._taken:
            self._start.progress()
        elif not self._stop.is_set():
            self._stop.wait(AHEAD_S)

    def _pass_on(self, cuts: list[Outcome], meanwhile: Callable[[], None]) -> None:
        for cut in cuts:
            self._dispatch.pass_on(cut, meanwhile)

    def _end_if_over(self, meanwhile: Callable[[], None]) -> None:
        """Nothing follows, said the driver: flush, and once each window has its outcome, tell."""
        if self._drained or self._capture.state != "ended":
            return
        if self._taken or not self._handover.is_empty():
            return
        if not self._flushed:
            self._flushed = True
            self._pass_on(self._cutter.flush(), meanwhile)
        self._drained = self._dispatch.end(self._capture.why)
