"""Pairs of one moment's inputs, model-ready, in one folder of arrays; and how they are augmented.

A folder holds ``<modality>.npy``, row i of each being the same moment:

========  ======================================================================
vision    (N, 2, S, S, 3) uint8 RGB, first frame first
audio     (N, 1, 128, 204) float16, normalised log mel
depth     (N, 1, S, S) float16, as the front end makes it; thermal too
imu       (N, 6, 2000) float16, as the front end makes it
========  ======================================================================

and ``truth.json``, a list of N objects of words (a simulator's labels), where there are any.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bindstream.errors import ConfigError
from bindstream.types import Array, Modality
from encoders.imagebind.frontends import CLIP_MEAN, CLIP_STD


class Pairs:
    """The arrays of a folder, memory-mapped. ``len`` is the number of moments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = {m: folder / f"{m}.npy" for m in Modality}
        self._arrays = {m: np.load(f, mmap_mode="r") for m, f in files.items() if f.is_file()}
        if not self._arrays:
            raise ConfigError(f"{folder}: holds no pairs (wants vision.npy, audio.npy, ...)")
        counts = {str(m): len(a) for m, a in self._arrays.items()}
        if len(set(counts.values())) > 1:
            raise ConfigError(f"{folder}: modalities differ in length: {counts}")

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values())))

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the folder holds."""
        return tuple(self._arrays)

    def array(self, modality: Modality) -> Array:
        """All rows of a modality. Raises ConfigError where the folder has none."""
        if modality not in self._arrays:
            raise ConfigError(f"{self.folder}: holds no {modality}")
        rows: Array = self._arrays[modality]
        return rows

    def truth(self) -> list[dict[str, Any]]:
        """The simulator's words, one object per moment. Raises ConfigError without them."""
        file = self.folder / "truth.json"
        if not file.is_file():
            raise ConfigError(f"{self.folder}: no truth.json; words can only be trained with it")
        words: list[dict[str, Any]] = json.loads(file.read_text())
        return words

    def rows(self, modality: Modality, rows: Tensor | slice) -> Tensor:
        """Those rows as the model takes them, float32; vision (B, 3, 2, S, S)."""
        raw = self.raw(modality, rows)
        return from_frames(raw) if modality is Modality.VISION else raw.float()

    def raw(self, modality: Modality, rows: Tensor | slice) -> Tensor:
        """A copy of those rows as they are stored."""
        index = rows if isinstance(rows, slice) else rows.numpy()
        return torch.from_numpy(np.array(self.array(modality)[index]))


def from_frames(raw: Tensor, light: Tensor | None = None) -> Tensor:
    """(B, 2, S, S, 3) uint8 -> (B, 3, 2, S, S) float32, CLIP's mean and deviation.

    ``light`` (B, 3) multiplies the colours first.
    """
    mean, std = (torch.tensor(v).view(1, 3, 1, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    planes = raw.permute(0, 4, 1, 2, 3).float().contiguous()
    gain = 1 / (255 * std) if light is None else light.view(-1, 3, 1, 1, 1) / (255 * std)
    return planes.mul_(gain).sub_(mean / std)


def mirrored(x: Tensor, which: Tensor, axis: int = -1) -> Tensor:
    """Pictures with their columns on ``axis``, flipped left to right where ``which`` (B,) bool
    says so. Changes ``x``."""
    x[which] = x[which].flip(axis)
    return x


def shifted(x: Tensor, most: int, generator: torch.Generator, axes: tuple[int, int]) -> Tensor:
    """Pictures with rows and columns on ``axes``, moved as a whole batch by up to ``most``
    pixels each way, edges repeated."""
    for axis in axes:
        by = int(torch.randint(-most, most + 1, (1,), generator=generator))
        if by:
            places = (torch.arange(x.shape[axis]) + by).clamp(0, x.shape[axis] - 1)
            x = x.index_select(axis, places)
    return x


def rolled(x: Tensor, generator: torch.Generator, steps: int) -> Tensor:
    """Signals (B, ..., T) turned round in time as a whole batch, over the first ``steps``."""
    by = int(torch.randint(steps, (1,), generator=generator))
    return torch.cat([x[..., :steps].roll(by, dims=-1), x[..., steps:]], dim=-1)
