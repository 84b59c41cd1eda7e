"""Windows -> rows of a folder of pairs (`bind_data`), by the very front ends that serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bindstream.errors import InvalidInput
from bindstream.types import Array, Modality, Window
from encoders.imagebind.accepted import Accepted
from encoders.imagebind.front_end_formats import FrontEnds
from encoders.imagebind.inputs import Inputs
from encoders.weights.card import Card

MOST_HALF = 65504.0  # float16's largest


class Rows:
    """What a window becomes in a folder of pairs, for the weights that ``card`` describes."""

    def __init__(self, card: Card) -> None:
        torch.set_num_threads(1)
        self._config = card.config
        self._accepted = Accepted(card)
        self._inputs = Inputs(card, FrontEnds.of(card.front_ends), torch.device("cpu"))

    def __call__(self, window: Window, name: object = None) -> Array:
        """One row, as `bind_data` describes it. Raises InvalidInput for a window with a fault,
        which begins with ``name`` (a file), else with its stream and seq."""
        size = self._config.image_size
        fault = _frame_fault(window, size) or self._accepted.fault(window)
        if fault:
            named = name or f"stream '{window.stream}' seq {window.seq}"
            raise InvalidInput(f"{named}: {fault}")
        if window.modality is Modality.VISION:
            return _smaller(window.data, size)
        made: Array = self._inputs.tensor(window.modality, [window])[0].numpy()
        return made.clip(-MOST_HALF, MOST_HALF).astype(np.float16)

    def shape(self, modality: Modality) -> tuple[int, ...]:
        """Shape of a row."""
        config = self._config
        if modality is Modality.IMU:
            return 6, config.imu_length
        size = config.input_size(modality)
        return (2, *size, 3) if modality is Modality.VISION else (1, *size)


def create(folder: Path, rows: Rows, modalities: list[Modality], count: int) -> None:
    """Empty arrays for ``count`` pairs, on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for modality in modalities:
        kind = np.uint8 if modality is Modality.VISION else np.float16
        shape = (count, *rows.shape(modality))
        np.lib.format.open_memmap(folder / f"{modality}.npy", mode="w+", dtype=kind, shape=shape)


def _frame_fault(window: Window, size: int) -> str | None:
    if window.modality is not Modality.VISION or window.data.ndim != 4:
        return None
    height, width = window.data.shape[1:3]
    if height == width and height % size == 0:
        return None
    return f"wants square frames of a multiple of {size} pixels, got {width}x{height}: crop them"


def _smaller(frames: Array, size: int) -> Array:
    """(2, S, S, 3) uint8 -> (2, size, size, 3) by the mean of whole blocks, as the front end."""
    if len(frames) == 1:
        frames = np.repeat(frames, 2, axis=0)
    block = frames.shape[1] // size
    if block == 1:
        return frames
    total = np.zeros((2, size, size, 3), np.uint32)
    for row in range(block):
        for column in range(block):
            total += frames[:, row::block, column::block]
    mean: Array = ((total + block * block // 2) // (block * block)).astype(np.uint8)
    return mean
