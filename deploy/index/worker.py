"""One encoder of the pool: bundles of windows -> their embeddings. In an actor of Ray Data."""

from __future__ import annotations

import os
import pickle
import socket
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from bindstream.errors import ConfigError, InvalidInput
from bindstream.formats import WindowFormat
from bindstream.types import Embedding, Modality, Reason, Tombstone, Vector, Window
from deploy.config.arguments import EncoderArgs
from deploy.index.bundle import Answer, Bundle
from encoders import openmp

COLUMN = "pickled"
"""Of Ray Data's rows: one bundle or answer each."""


class Worker:
    """Loads what an encoder's arguments say, as a robot's replica does. Raises ConfigError where it
    takes other windows (``forms``) than it declared."""

    def __init__(self, args: EncoderArgs, forms: Mapping[Modality, WindowFormat]) -> None:
        openmp.calm(args.threads)
        from encoders.loading import load_encoder
        from encoders.offer import formats_of

        self._encoder = load_encoder(
            args.kind,
            args.weights,
            max_batch=args.max_batch,
            modalities=args.modalities,
            device=args.device,
            dtype=args.dtype,
            **args.options,
        )
        self._max_batch = args.max_batch
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        wanted = formats_of(self._encoder.modalities, getattr(self._encoder, "windows", {}))
        for modality, form in forms.items():
            if wanted.get(modality) != form:
                raise ConfigError(f"{args.kind}: declared {form}, but wants {wanted.get(modality)}")

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, list[bytes]]:
        """Rows of bundles -> rows of answers."""
        answers = [self.answer(pickle.loads(row)) for row in rows[COLUMN]]  # noqa: S301 - Ray's own
        return {COLUMN: [pickle.dumps(answer, 5) for answer in answers]}

    def answer(self, bundle: Bundle) -> Answer:
        """The embeddings of a bundle; what has none is told as invalid_input."""
        begin_s, encode_s = time.time(), 0.0
        embeddings, dropped, why = list[Embedding](), list(bundle.dropped), ""
        for batch in alike(bundle.windows, self._max_batch):
            since_s = time.perf_counter()
            vectors, refusal = self._encoded(batch)
            took_s = time.perf_counter() - since_s
            encode_s += took_s
            for window, vector in zip(batch, vectors, strict=True):
                if vector is not None and np.isfinite(vector).all():
                    embeddings.append(self._embedding(window, vector, took_s))
                    continue
                dropped.append(Tombstone(**window.stamp(), reason=Reason.INVALID_INPUT))
                why = why or refusal or self._fault(window)
        done = tuple(embeddings), tuple(dropped), bundle.end
        return Answer(bundle.stream, *done, self._name, begin_s, time.time(), encode_s, why)

    def _encoded(self, batch: list[Window]) -> tuple[list[Vector | None], str]:
        prepare = getattr(self._encoder, "prepare", None)
        if prepare is not None:
            prepare(batch[0].modality)
        try:
            vectors = np.asarray(self._encoder.encode(batch), dtype=np.float32)
        except InvalidInput as error:
            return [None] * len(batch), str(error)
        return list(vectors), ""

    def _embedding(self, window: Window, vector: Vector, took_s: float) -> Embedding:
        return Embedding(
            **window.stamp(),
            captured_ns=window.captured_ns,
            windowed_ns=window.captured_ns,
            encoded_ns=window.captured_ns,
            queue_ms=0.0,
            encode_ms=took_s * 1e3,
            n_missing=window.n_missing,
            space_id=self._encoder.space_id,
            encoder_id=self._encoder.encoder_id,
            vector=vector,
        )

    def _fault(self, window: Window) -> str:
        fault = getattr(self._encoder, "fault", None)
        return (fault and fault(window)) or "the encoder gave no finite vector"


def alike(windows: tuple[Window, ...], most: int) -> Iterator[list[Window]]:
    """Batches of at most ``most`` that have one shape, in order; all are of one modality."""
    left = iter(windows)
    batch = list(islice(left, 1))
    for window in left:
        if len(batch) == most or window.data.shape != batch[0].data.shape:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
