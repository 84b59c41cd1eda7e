"""Any weights file -> one safetensors file in another number format, its card kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from bindstream.errors import WeightsError
from encoders.weights.card import Card, read_card
from encoders.weights.load import load_model, space_id, tower_hash
from encoders.weights.saving import save

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}

Progress = Callable[[int, int | None], None]
"""Called with bytes done and bytes wanted."""


def convert(source: Path, target: Path, dtype: str, progress: Progress | None = None) -> None:
    """Write ``source`` in ``dtype`` to ``target``; the space_id stays, so vectors stay comparable.

    Raises WeightsError: ``source`` is not a model, or ``target`` cannot be written, is the same
    file, or is not named ``.safetensors``.
    """
    if target.suffix != ".safetensors":
        raise WeightsError(f"{target}: wants a name that ends in .safetensors")
    if target.exists() and target.samefile(source):
        raise WeightsError(f"{target}: is the file to read from; give another name")
    card = read_card(source)
    state = load_model(source, card.config, card.modalities).state_dict()
    number = _DTYPES[dtype]
    total = sum(v.numel() for v in state.values()) * number.itemsize
    done = 0

    def written(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    save(state, target, _rounded(card, state, number).said(), number, written)


def _rounded(card: Card, state: Mapping[str, Tensor], number: torch.dtype) -> Card:
    """The card of what is written: its space_id stays that of the source, whose tower it rounds."""
    space = space_id(card)
    tower = tower_hash(state, number)
    promised = space.rpartition(":")[2]
    return replace(card, space_id=space, tower="" if tower == promised else tower)
