"""An encoder that wants nothing as ImageBind has it, and writes down what came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bindstream.formats import Frames, Map, Motion, Sound, WindowFormat
from bindstream.types import Modality, Vector, Window
from encoders.offer import Offer
from tests.system.toy_encoder import ToyEncoder

SIDE = 96


def formats(side: int = SIDE) -> dict[Modality, WindowFormat]:
    return {
        Modality.VISION: Frames(frames=3, length_s=1.0, size_px=side, filter="bicubic"),
        Modality.AUDIO: Sound(length_s=1.0, rate_hz=22_050),
        Modality.DEPTH: Map(size_px=48, rule="squash"),
        Modality.THERMAL: Map(size_px=32, filter="bilinear"),
        Modality.IMU: Motion(length_s=2.0, steps=300),
    }


class OddEncoder(ToyEncoder):
    """Other formats in every modality; pictures of ``side`` pixels. ``log``: a file of one JSON
    line for each thing that it was asked for."""

    text_per_modality = True

    def __init__(self, weights: str | None, *, log: str, side: int = SIDE, **options: Any) -> None:
        super().__init__(weights, version=f"odd-{side}", windows=formats(side), **options)
        self._log = Path(log)
        self._side = side

    @classmethod
    def offer(cls, weights: str | None, *, log: str, side: int = SIDE) -> Offer:
        return Offer(windows=formats(side), dim=16)

    def prepare(self, modality: Modality) -> None:
        self._note(loaded=modality, side=self._side)

    def encode(self, windows: list[Window]) -> Vector:
        for window in windows:
            self._note(
                stream=window.stream,
                side=self._side,
                shape=window.data.shape,
                dtype=str(window.data.dtype),
                largest=float(np.abs(window.data).max()),
                fx_px=getattr(window.meta, "fx_px", None),
                missing=window.n_missing,
            )
        return super().encode(windows)

    def encode_text(self, texts: list[str], modality: Modality | None = None) -> Vector:
        self._note(text_for=modality)
        return super().encode_text([f"{modality} {text}" for text in texts])

    def _note(self, **what: Any) -> None:
        with self._log.open("a") as file:
            file.write(json.dumps(what) + "\n")
