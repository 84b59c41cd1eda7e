"""One thread that encodes what waits: the newest of each stream, batched by backlog."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Encoding, Modality, Reason, Vector, Window
from encoders.encoder import Encoder
from encoders.liveness import Liveness

LOADING_S = 600.0
"""What loading a tower may take: gigabytes, of a slow disk."""


@dataclass(slots=True, eq=False)
class _Waiting:
    window: Window
    arrived_s: float
    expires_s: float
    future: asyncio.Future[Encoding]


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
        self._pending: dict[tuple[str | int, ...], _Waiting] = {}
        self._lock = threading.Lock()
        self._liveness = Liveness(getattr(encoder, "check", None))
        self._prepared: set[Modality] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode")

    async def encode(self, window: Window, budget_s: float) -> Encoding:
        """One window -> its encoding. Raises what the encoder raises, but for InvalidInput."""
        now_s = time.monotonic()
        future: asyncio.Future[Encoding] = asyncio.get_running_loop().create_future()
        self._queue(_Waiting(window, now_s, now_s + budget_s, future))
        self._thread.submit(self._encode_some)  # finds nothing to do if an earlier batch took it
        return await future

    def _queue(self, waiting: _Waiting) -> None:
        window = waiting.window
        place: tuple[str | int, ...] = window.robot, window.stream
        if window.lossless:  # its stream waits for it, and has few at a time
            place += window.epoch, window.seq
        with self._lock:
            other = self._pending.get(place)
            newest, older = _by_age(waiting, other)
            self._pending[place] = newest
        if older is not None:
            self._refuse(older, Reason.SUPERSEDED)

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

    def _prepare(self, modality: Modality) -> None:
        prepare = getattr(self._encoder, "prepare", None)
        if prepare is None or modality in self._prepared:
            return
        with self._liveness.job(f"loading {modality}", 1, LOADING_S):
            prepare(modality)
        self._prepared.add(modality)

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
        with self._lock:
            oldest_s = min((w.arrived_s for w in self._pending.values()), default=None)
        return self._liveness.fault(oldest_s)

    def _encode_some(self) -> None:
        batch = self._next_batch()
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
                _settle(waiting.future, outcome)

    def _encoded(self, batch: list[_Waiting]) -> Vector:
        """(B, dim) float32."""
        self._prepare(batch[0].window.modality)
        with self._liveness.job(batch[0].window.modality, len(batch)):
            vectors = self._encoder.encode([w.window for w in batch])
            if len(vectors) != len(batch):
                raise RuntimeError(f"the encoder gave {len(vectors)} vectors for {len(batch)}")
            return np.asarray(vectors, dtype=np.float32)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        with self._lock:
            for place, waiting in list(self._pending.items()):
                if len(batch) == self._max_batch:
                    break
                if batch and not _alike(batch[0].window, waiting.window):
                    continue
                del self._pending[place]
                if self._worth_encoding(waiting):
                    batch.append(waiting)
        return batch

    def _worth_encoding(self, waiting: _Waiting) -> bool:
        if waiting.future.done():  # given up by whoever asked
            return False
        if waiting.expires_s < time.monotonic():
            self._refuse(waiting, Reason.ENCODER_TIMEOUT)
            return False
        return True

    def _answer(
        self, batch: list[_Waiting], vectors: Vector | None, start_s: float, why: str = ""
    ) -> None:
        encode_ms = (time.monotonic() - start_s) * 1e3
        for i, waiting in enumerate(batch):
            vector = None if vectors is None else vectors[i]
            fine = vector is not None and bool(np.isfinite(vector).all())
            refusal = None if fine else Reason.INVALID_INPUT
            queue_ms = (start_s - waiting.arrived_s) * 1e3
            said = "" if fine else why or self._fault(waiting.window)
            _settle(
                waiting.future,
                self._encoding(vector if fine else None, refusal, queue_ms, encode_ms, said),
            )

    def _fault(self, window: Window) -> str:
        """What an encoder that can tell says of a window that it gave no vector for."""
        fault = getattr(self._encoder, "fault", None)
        return (fault and fault(window)) or "the encoder gave no finite vector"

    def _refuse(self, waiting: _Waiting, reason: Reason) -> None:
        queue_ms = (time.monotonic() - waiting.arrived_s) * 1e3
        _settle(waiting.future, self._encoding(None, reason, queue_ms, 0.0))

    def _encoding(
        self,
        vector: Vector | None,
        refusal: Reason | None,
        queue_ms: float,
        encode_ms: float,
        why: str = "",
    ) -> Encoding:
        space_id, encoder_id = self._encoder.space_id, self._encoder.encoder_id
        return Encoding(vector, refusal, queue_ms, encode_ms, space_id, encoder_id, why)


def _by_age(a: _Waiting, b: _Waiting | None) -> tuple[_Waiting, _Waiting | None]:
    """The newer first: two calls of one stream may overtake each other on their way."""
    if b is None or a.window.end_ns >= b.window.end_ns:
        return a, b
    return b, a


def _alike(a: Window, b: Window) -> bool:
    return a.modality is b.modality and a.data.shape == b.data.shape


def _settle(future: asyncio.Future[Encoding], outcome: Encoding | Exception) -> None:
    """Hand the outcome to the loop that waits; one that gave up meanwhile is left alone."""

    def settle() -> None:
        if future.done():
            return
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    future.get_loop().call_soon_threadsafe(settle)
