"""One thread that encodes what waits: the newest of each stream, batched by backlog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Encoding, Modality, Reason, Vector, Window
from encoders.encoder import Encoder
from encoders.liveness import Liveness
from encoders.waiting import Queue, Waiting

LOADING_S = 600.0
"""What loading a tower may take: gigabytes, of a slow disk."""


class Batcher:
    """Puts windows before an encoder, in turn by stream, ``max_batch`` of one modality at once.

    Each stream has one place in the queue: a newer window takes it over and the older one is
    answered with superseded, so that an encoder which many streams overload still encodes what
    is fresh. A window that is lossless has a place of its own. The encoder runs in one thread of
    its own, so that the event loop stays free. What expired while it waited is answered with
    encoder_timeout; what cannot be encoded, with invalid_input.
    """

    def __init__(self, encoder: Encoder, max_batch: int) -> None:
        self._encoder = encoder
        self._max_batch = max_batch
        self._queue = Queue()
        self._liveness = Liveness(getattr(encoder, "check", None))
        self._prepared: set[Modality] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode")

    async def encode(self, window: Window, budget_s: float) -> Encoding:
        """One window -> its encoding. Raises what the encoder raises, but for InvalidInput."""
        now_s = time.monotonic()
        future: asyncio.Future[Encoding] = asyncio.get_running_loop().create_future()
        older = self._queue.put(Waiting(window, now_s, now_s + budget_s, future))
        if older is not None:
            self._refuse(older, Reason.SUPERSEDED)
        self._thread.submit(self._encode_some)  # finds nothing to do if an earlier batch took it
        return await future

    async def prepare(self, modality: Modality) -> None:
        """Have the encoder load what a modality needs, before its first window comes. Raises what
        the encoder raises."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._prepare, modality)

    def load(self, modality: Modality) -> None:
        """The same, for who may wait."""
        self._thread.submit(self._prepare, modality).result()

    @property
    def loaded(self) -> frozenset[Modality]:
        """What was asked for until now, by windows, texts or ``prepare``."""
        return frozenset(self._prepared)

    async def in_thread(self, call: Callable[[], Vector], rows: int = 1) -> Vector:
        """Run something else between two batches: ``rows`` texts."""

        def run() -> Vector:
            self._prepare(Modality.TEXT)
            with self._liveness.job("text", rows):
                return call()

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def fault(self) -> str | None:
        """Why this encoder should be replaced: its thread hangs or is dead, or what it runs on
        fails for every input. None while all is well."""
        return self._liveness.fault(self._queue.oldest_s())

    # the encoder's thread ---------------------------------------------------------------------

    def _prepare(self, modality: Modality) -> None:
        prepare = getattr(self._encoder, "prepare", None)
        if prepare is None or modality in self._prepared:
            return
        with self._liveness.job(f"loading {modality}", 1, LOADING_S):
            prepare(modality)
        self._prepared.add(modality)

    def _encode_some(self) -> None:
        batch, expired = self._queue.take(self._max_batch)
        for waiting in expired:
            self._refuse(waiting, Reason.ENCODER_TIMEOUT)
        if not batch:
            return
        start_s = time.monotonic()
        try:
            self._answer(batch, self._encoded(batch), start_s)
        except InvalidInput as error:
            self._answer(batch, None, start_s, str(error))
        except BaseException as error:  # belongs to whoever asked, who would wait for ever
            outcome = error if isinstance(error, Exception) else RuntimeError(repr(error))
            for waiting in batch:
                waiting.answer(outcome)

    def _encoded(self, batch: list[Waiting]) -> Vector:
        """(B, dim) float32."""
        self._prepare(batch[0].window.modality)
        with self._liveness.job(batch[0].window.modality, len(batch)):
            vectors = self._encoder.encode([w.window for w in batch])
            if len(vectors) != len(batch):
                raise RuntimeError(f"the encoder gave {len(vectors)} vectors for {len(batch)}")
            return np.asarray(vectors, dtype=np.float32)

    def _answer(
        self, batch: list[Waiting], vectors: Vector | None, start_s: float, why: str = ""
    ) -> None:
        encoder, encode_ms = self._encoder, (time.monotonic() - start_s) * 1e3
        for i, waiting in enumerate(batch):
            vector = None if vectors is None else vectors[i]
            fine = vector is not None and bool(np.isfinite(vector).all())
            refusal = None if fine else Reason.INVALID_INPUT
            queue_ms = (start_s - waiting.arrived_s) * 1e3
            said = "" if fine else why or _fault(encoder, waiting.window)
            told = vector if fine else None
            waiting.answer(_encoding(encoder, told, refusal, queue_ms, encode_ms, said))

    def _refuse(self, waiting: Waiting, reason: Reason) -> None:
        queue_ms = (time.monotonic() - waiting.arrived_s) * 1e3
        waiting.answer(_encoding(self._encoder, None, reason, queue_ms, 0.0))


def _fault(encoder: Encoder, window: Window) -> str:
    """What an encoder that can tell says of a window that it gave no vector for."""
    fault = getattr(encoder, "fault", None)
    return (fault and fault(window)) or "the encoder gave no finite vector"


def _encoding(
    encoder: Encoder,
    vector: Vector | None,
    refusal: Reason | None,
    queue_ms: float,
    encode_ms: float,
    why: str = "",
) -> Encoding:
    space_id, encoder_id = encoder.space_id, encoder.encoder_id
    return Encoding(vector, refusal, queue_ms, encode_ms, space_id, encoder_id, why)
