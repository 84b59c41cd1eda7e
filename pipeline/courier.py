"""Takes a window to its encoder, and tells what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from bindstream.errors import InvalidInput
from bindstream.types import Encoding, Reason, Window
from pipeline.direct import result_of
from pipeline.start import Start
from pipeline.teller import Teller

SAME_END_S = 0.3
SILENT_S = 60.0
"""How long the answer to a lossless window is waited for; a live one has its deadline."""
FAILING_S = 15.0
"""How long an encoder that fails is asked again for one: a replica that died is back by then."""
AGAIN_S = 0.5


class Courier:
    """May be used by several threads, one window each at a time.

    ``encoder`` is the handle of its deployment. ``refusal`` says, until a window is encoded
    again, why the encoder takes none. ``on_answer`` is told the encoder_id of every answer, ''
    where there is none. Once ``stop`` is set nothing is asked again.
    """

    def __init__(
        self,
        encoder: Any,
        start: Start,
        teller: Teller,
        on_answer: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self._encoder, self._start, self._teller = encoder, start, teller
        self._on_answer, self._stop = on_answer, stop
        self.refusal = ""

    def carry(self, window: Window) -> None:
        """There, and its outcome back. A window that waited past its deadline is ``late``; where
        nothing may be lost, an encoder that fails is asked again. Never raises."""
        if window.lossless:
            self._ask_until_it_answers(window)
            return
        budget_s = (window.deadline_ns - self._start.now_ns()) / 1e9
        if budget_s <= 0:  # it waited here too long: the encoder is not even asked
            self._teller.dropped(window, Reason.LATE)
            return
        error = self._try(window, budget_s)
        if error is not None:
            self._blame_encoder(window, error)

    def _ask_until_it_answers(self, window: Window) -> None:
        until_s = time.monotonic() + FAILING_S
        while (error := self._try(window, SILENT_S)) is not None:
            if time.monotonic() > until_s or self._stop.wait(AGAIN_S):
                self._blame_encoder(window, error)
                return

    def _try(self, window: Window, budget_s: float) -> Exception | None:
        """Ask once. Returns what Ray, Serve or the encoder raised: nothing ends the thread."""
        try:
            response = self._encoder.encode.remote(window, budget_s)
            self._deliver(window, result_of(response, budget_s))
        except TimeoutError:
            self._teller.dropped(window, Reason.ENCODER_TIMEOUT)
        except Exception as error:
            return error
        return None

    def _blame_encoder(self, window: Window, error: Exception) -> None:
        """When the whole app is deleted the encoder may be gone first: that is no error of its."""
        if self._stop.wait(SAME_END_S):
            self._teller.dropped(window, Reason.SHUTDOWN)
            return
        self._on_answer("")
        self._teller.complain("encoder_error", error)
        self._teller.dropped(window, Reason.ENCODER_ERROR)

    def _deliver(self, window: Window, encoding: Encoding) -> None:
        self._on_answer(encoding.encoder_id)
        if encoding.vector is None:
            self._refused(window, encoding)
            return
        self.refusal = ""
        self._teller.encoded(window, encoding)

    def _refused(self, window: Window, encoding: Encoding) -> None:
        """Told in words, as an event and in the health until a window is encoded again."""
        reason = encoding.refusal or Reason.INVALID_INPUT
        if reason is Reason.INVALID_INPUT:
            self.refusal = f"a window cannot be encoded: {encoding.why}"
            self._teller.complain(str(reason), InvalidInput(self.refusal))
        self._teller.dropped(window, reason)
