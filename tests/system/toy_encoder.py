"""An encoder for tests of the pipeline: real windows in, unit vectors out, as slow as asked."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from bindstream.formats import WindowFormat
from bindstream.types import Modality, Vector, Window

DIM = 16


class ToyEncoder:
    """The mean size of the data in fifteen stretches of a window.

    ``slow_s`` sleeps per encoding, as a slow GPU would; every ``fail_every``-th encoding fails;
    ``version`` stands in ``encoder_id``.
    ``windows``: those that are not ImageBind's usual.
    """

    def __init__(
        self,
        weights: str | None,
        *,
        modalities: tuple[Modality, ...] | None = None,
        device: str = "cpu",
        dtype: str = "float32",
        slow_s: float = 0.0,
        fail_every: int = 0,
        version: str = "1",
        windows: Mapping[Modality, WindowFormat] | None = None,
    ) -> None:
        self.windows = dict(windows or {})
        self.modalities = frozenset(modalities or Modality)
        self.space_id = "toy:000000000000"
        self.encoder_id = f"toy/{version}/float32"
        self.dim = DIM
        self._slow_s = slow_s
        self._fail_every = fail_every
        self._count = 0

    def encode(self, windows: list[Window]) -> Vector:
        self._count += 1
        if self._fail_every and self._count % self._fail_every == 0:
            raise RuntimeError("asked to fail")
        time.sleep(self._slow_s)
        return np.stack([_statistics(w.data) for w in windows])

    def encode_text(self, texts: list[str]) -> Vector:
        return np.stack([_statistics(np.frombuffer(t.encode(), np.uint8)) for t in texts])


def _statistics(data: np.ndarray) -> Vector:
    flat = np.abs(np.asarray(data, np.float32)).ravel()
    parts = np.array_split(flat, DIM - 1)
    raw = np.array([1.0] + [float(p.mean()) if len(p) else 0.0 for p in parts], np.float32)
    return raw / np.linalg.norm(raw)
