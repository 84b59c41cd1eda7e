"""What windows a stream's encoder takes: asked at the start, and again when another answers."""

from __future__ import annotations

import logging
import threading
from typing import Any

from bindstream.errors import InvalidInput
from bindstream.formats import WindowFormat
from pipeline.direct import result_of
from pipeline.format import format_of
from pipeline.plan import StreamPlan
from pipeline.sensing.border import plain
from pipeline.teller import Teller

ANSWER_S = 2.0
RETRY_S = 0.2
UNFIT_RETRY_S = 1.0
"""After an answer that does not suit us; and between two questions, where replicas differ."""
WAITING = "waiting for the encoder to say what windows it takes"
_log = logging.getLogger("ray.serve")


class Inquiry:
    """One thread that asks, and keeps the answer.

    ``form`` is what to cut; None, where ``why`` says what is in the way. Being asked, an encoder
    loads what the stream's modality needs, so that no window waits for that.
    """

    def __init__(
        self, encoder: Any, plan: StreamPlan, teller: Teller, stop: threading.Event
    ) -> None:
        self._encoder, self._plan, self._teller, self._stop = encoder, plan, teller, stop
        self.form: WindowFormat | None = None
        self.why = WAITING
        self._encoder_id = ""
        self._doubted = threading.Event()
        self._doubted.set()
        self.thread = threading.Thread(target=self._run, name="format", daemon=True)

    def heard(self, encoder_id: str) -> None:
        """This encoder answered for a window ('' for one that failed): another may take others."""
        if encoder_id != self._encoder_id:
            self._doubted.set()

    def _run(self) -> None:
        """An encoder may load for minutes: asked until it answers."""
        while not self._stop.is_set():
            if self._doubted.wait(0.5):
                self._doubted.clear()
                self._stop.wait(self._ask())

    def _ask(self) -> float:
        """How long to wait before anything is asked again."""
        try:
            told = self._answer()
            self._encoder_id = str(told["encoder_id"])
            self.form, self.why = format_of(told, self._plan), ""
        except InvalidInput as error:  # it answered, and cannot take our windows
            self.form, self.why = None, str(error)
            self._teller.complain("unfit_encoder", error)
            self._doubted.set()
            return UNFIT_RETRY_S
        except Exception as error:  # of Ray, of Serve: not there yet
            self._note(getattr(error, "cause", None) or error)
            self._doubted.set()
            return RETRY_S
        return UNFIT_RETRY_S

    def _answer(self) -> Any:
        return result_of(self._encoder.describe.remote(str(self._plan.modality)), ANSWER_S)

    def _note(self, error: Exception) -> None:
        """What the encoder itself says is told; that Serve has none yet is not worth a word."""
        _log.debug("stream '%s': the encoder does not answer yet: %s", self._plan.stream, error)
        serving = isinstance(error, TimeoutError) or type(error).__module__.startswith("ray.")
        if self.form is None and not serving:
            said = " ".join(plain(str(error)).split())[:300]
            self.why = f"{WAITING}; it says: {type(error).__name__}: {said}"
