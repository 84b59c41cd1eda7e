"""The Serve shell of an encoder: one replica holds one model and encodes for every stream."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bindstream.formats import to_plain
from bindstream.types import Encoding, Modality, Vector, Window
from encoders import openmp
from encoders.encoder import Encoder
from encoders.offer import formats_of

if TYPE_CHECKING:
    from encoders.batcher import Batcher

TEXTS_AT_ONCE = 16
_log = logging.getLogger("ray.serve")


class EncoderReplica:
    """A Serve deployment (``deploy.app`` makes it one). torch is imported in ``__init__`` only.

    ``target`` is the encoder's ``"module:Class"``; ``threads`` are the CPU threads of one encoding.
    ``in_use`` tells what the replicas have loaded whose place this one takes: it is loaded too,
    before the first window comes.
    """

    def __init__(
        self,
        target: str,
        weights: str | None,
        modalities: tuple[Modality, ...] | None,
        device: str,
        dtype: str,
        threads: int,
        max_batch: int,
        options: dict[str, Any],
        in_use: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        openmp.calm(threads)
        sys.setswitchinterval(0.0005)  # a window must not wait 5 ms for another thread's turn
        from encoders.batcher import Batcher
        from encoders.loading import load_encoder

        encoder = load_encoder(
            target,
            weights,
            max_batch=max_batch,
            modalities=modalities,
            device=device,
            dtype=dtype,
            **options,
        )
        self._encoder = encoder
        self._batcher = Batcher(encoder, max_batch)
        for modality in in_use():
            self._batcher.load(Modality(modality))
        _log.info("encoder %s ready, space %s", encoder.encoder_id, encoder.space_id)

    async def encode(self, window: Window, budget_s: float) -> Encoding:
        """One window -> its encoding, within ``budget_s`` of its arrival here or refused."""
        return await self._batcher.encode(window, budget_s)

    async def encode_text(self, texts: list[str], modality: str | None = None) -> Vector:
        """Words -> (B, dim) float32, unit norm. ``modality``: whose vectors they will be compared
        with; matters to an encoder that says ``text_per_modality`` (None: as it sees fit)."""
        meant = None if modality is None else Modality(modality)
        return await encode_in_pieces(self._batcher, self._encoder, texts, meant)

    async def check_health(self) -> None:
        """Asked by Serve every ``health_check_period_s``; after three refusals in a row it puts a
        new replica in this one's place. Raises RuntimeError: hung, dead, or its device is."""
        if fault := self._batcher.fault():
            _log.error("encoder %s asks to be replaced: %s", self._encoder.encoder_id, fault)
            raise RuntimeError(fault)

    def loaded(self) -> list[str]:
        """The modalities that were asked for until now."""
        return sorted(self._batcher.loaded)

    async def describe(self, modality: str | None = None) -> dict[str, Any]:
        """Which space its vectors live in, what it can encode, and the windows that it takes; once
        ``modality`` is ready to be encoded. Raises what its loading raises."""
        encoder = self._encoder
        if modality is not None:
            await self._batcher.prepare(Modality(modality))
        return {
            "space_id": encoder.space_id,
            "encoder_id": encoder.encoder_id,
            "dim": encoder.dim,
            "modalities": sorted(encoder.modalities),
            "text_per_modality": bool(getattr(encoder, "text_per_modality", False)),
            "formats": to_plain(formats_of(encoder.modalities, getattr(encoder, "windows", {}))),
        }


async def encode_in_pieces(
    batcher: Batcher, encoder: Encoder, texts: list[str], modality: Modality | None = None
) -> Vector:
    """Words -> (B, dim) float32; windows that wait are encoded after every ``TEXTS_AT_ONCE``."""
    told = (modality,) if getattr(encoder, "text_per_modality", False) else ()
    starts = range(0, max(1, len(texts)), TEXTS_AT_ONCE)  # no texts: one empty piece, (0, dim)
    pieces = [texts[at : at + TEXTS_AT_ONCE] for at in starts]
    return np.concatenate(
        [
            await batcher.in_thread(partial(encoder.encode_text, piece, *told), len(piece))
            for piece in pieces
        ]
    )
