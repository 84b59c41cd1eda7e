"""Puts a stream's windows to its encoder, and tells what came of each.

The newest first; or, where nothing may be lost (the robot's time is its streams'), one after
another: then a window waits for its turn, and an encoder that fails or is away is asked again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from bindstream.errors import InvalidInput
from bindstream.types import Encoding, Reason, Window
from pipeline.latest import LatestSlot
from pipeline.teller import Teller

SAME_END_S = 0.3
SILENT_S = 60.0
"""How long the answer to a lossless window is waited for; a live one has its deadline."""
FAILING_S = 15.0
"""How long an encoder that fails is asked again for one: a replica that died is back by then."""
AGAIN_S = 0.5


class Asker:
    """One thread per window that may be with the encoder at a time.

    ``encoder`` is the handle of its deployment. ``refusal`` says, until a window is encoded
    again, why the encoder takes none. ``on_answer`` is told the encoder_id of every answer, ''
    where there is none. Once ``stop`` is set nothing more is asked.
    """

    def __init__(self, encoder: Any, teller: Teller, in_flight: int, stop: threading.Event) -> None:
        self._encoder, self._teller, self._stop = encoder, teller, stop
        self._slot: LatestSlot[Window] = LatestSlot(in_flight)
        self.refusal = ""
        self.on_answer: Callable[[str], None] = lambda _: None
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
                self._ask_one(window)
            finally:
                self._slot.done()

    def _ask_one(self, window: Window) -> None:
        if window.lossless:
            self._ask_until_it_answers(window)
            return
        budget_s = (window.deadline_ns - self._teller.now_ns()) / 1e9
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
            self._deliver(window, self._encoding(window, budget_s))
        except TimeoutError:
            self._teller.dropped(window, Reason.ENCODER_TIMEOUT)
        except Exception as error:
            return error
        return None

    def _encoding(self, window: Window, budget_s: float) -> Encoding:
        response = self._encoder.encode.remote(window, budget_s)
        try:
            encoding: Encoding = response.result(timeout_s=budget_s)
        except TimeoutError:
            response.cancel()
            raise
        return encoding

    def _blame_encoder(self, window: Window, error: Exception) -> None:
        """When the whole app is deleted the encoder may be gone first: that is no error of its."""
        if self._stop.wait(SAME_END_S):
            self._teller.dropped(window, Reason.SHUTDOWN)
            return
        self.on_answer("")
        self._teller.complain("encoder_error", error)
        self._teller.dropped(window, Reason.ENCODER_ERROR)

    def _deliver(self, window: Window, encoding: Encoding) -> None:
        self.on_answer(encoding.encoder_id)
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
