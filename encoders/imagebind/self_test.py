"""The proof that a path computes what the plain model computes, on inputs it has never met.

Two inputs as unlike as noise and a slow wave. What a path is recorded or warmed up with is a third
one, so that a path which gives back what it gave before, or always the same, does not pass.
"""

from __future__ import annotations

import logging
import math
import zlib

import torch
import torch.nn.functional as F
from torch import Tensor

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import ImageBind
from encoders.imagebind.runtime_parts import Tower

MIN_COSINE = 0.9995
_log = logging.getLogger(__name__)


def example(config: ImageBindConfig, modality: Modality) -> Tensor:
    """One fixed input [1, ...] to record or warm up with: noise, or a text of nine tokens."""
    return _noise(config, modality, _chance(modality, 0))


def trial_inputs(config: ImageBindConfig, modality: Modality) -> Tensor:
    """Two inputs [2, ...], neither of them ``example``: other noise and a slow wave, or texts of
    nine and of four tokens."""
    if modality is Modality.TEXT:
        rows = [_text(config, n, _chance(modality, n)) for n in (9, 4)]
    else:
        noise = _noise(config, modality, _chance(modality, 1))
        rows = [noise, 0.2 * _noise(config, modality, _chance(modality, 2)) + _wave(noise.shape)]
    return torch.cat(rows)


class SelfTest:
    """One modality's two inputs, and what the plain float32 model makes of them."""

    def __init__(self, plain: ImageBind, modality: Modality) -> None:
        """``plain``: in float32 on the CPU; it is not kept."""
        self.modality = modality
        self.x = trial_inputs(plain.config, modality)
        with torch.inference_mode():
            self.wanted = F.normalize(plain.features(modality, self.x), dim=-1)  # [2, E]
        self._apart = float(self.wanted[0] @ self.wanted[1]) < MIN_COSINE
        if not self._apart:
            _log.warning(
                "%s: these weights give nearly the same vector to noise and to a wave", modality
            )

    def cosine(self, tower: Tower, batches: tuple[int, ...] = (1,)) -> float:
        """The least cosine between a tower and the plain model, at each of these batch sizes.

        Raises WeightsError below MIN_COSINE, and where a vector is nearer to the other input's.
        """
        least = 1.0
        for size in batches:
            for first in (1, 0):  # each row of a batch meets both inputs
                order = (torch.arange(size) + first) % 2
                got = tower(self.x[order]).float().cpu()
                least = min(least, self._judged(got, order))
        return least

    def _judged(self, got: Tensor, order: Tensor) -> float:
        own = F.cosine_similarity(got, self.wanted[order], dim=-1)  # [N]
        other = F.cosine_similarity(got, self.wanted[1 - order], dim=-1)
        cosine = float(own.min()) if bool(torch.isfinite(own).all()) else math.nan
        if not cosine >= MIN_COSINE:  # also where it is not a number
            raise WeightsError(
                f"{self.modality}: the fast path's vectors have a cosine of {cosine:.5f} with plain"
                f" float32 (wanted {MIN_COSINE}): set the encoder's dtype to float32, and please"
                " report it"
            )
        if self._apart and not bool((own > other).all()):
            raise WeightsError(
                f"{self.modality}: the fast path gives one input's vector to another: please"
                " report it"
            )
        return cosine


def _noise(config: ImageBindConfig, modality: Modality, chance: torch.Generator) -> Tensor:
    if modality is Modality.TEXT:
        return _text(config, 9, chance)
    if modality is Modality.IMU:
        return torch.randn(1, 6, config.imu_length, generator=chance)
    leading = (3, 2) if modality is Modality.VISION else (1,)
    return torch.randn(1, *leading, *config.input_size(modality), generator=chance)


def _wave(shape: torch.Size) -> Tensor:
    """Half a period along the last axis, a third along the one before."""
    rows = torch.linspace(-1, 1, shape[-2])[:, None]
    return 1.5 * torch.sin(3 * torch.linspace(-1, 1, shape[-1]) + 2 * rows).expand(shape)


def _text(config: ImageBindConfig, words: int, chance: torch.Generator) -> Tensor:
    ids = torch.zeros(1, config.context_length, dtype=torch.long)
    words = min(words, config.context_length - 1)
    ids[0, :words] = torch.randint(1, config.vocab_size - 1, (words,), generator=chance)
    ids[0, words] = config.vocab_size - 1
    return ids


def _chance(modality: Modality, n: int) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(modality.encode()) + n)
