"""Weights files -> a model: mapped into memory, checked as a whole, never unpickling code."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import ImageBind
from encoders.weights import integrity, pth
from encoders.weights.card import (
    UNKNOWN_HASH,
    Card,
    held,
    modality_of,
    read_card,
    read_header,
    resolve,
)
from encoders.weights.fingerprint import hash_tower, remembered

KEPT_FLOAT32 = ("log_logit_scale", "mask")
"""Last names of what stays float32 in any dtype: one number each, and -inf."""
_NAMED = 5  # keys named per kind of mistake, before "and N more"


def load(
    path: str | Path,
    *,
    config: Mapping[str, Any] | ImageBindConfig | None = None,
    modalities: Iterable[Modality | str] | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> ImageBind:
    """A model in eval mode from a ``.pth`` or ``.safetensors`` file that holds its keys.

    ``path`` may be a name as well: ``bindstream_tiny``, or ``imagebind_huge`` once fetched.
    ``config``: names of ImageBindConfig; default: what the file says of itself, else
    imagebind_huge. Only ``modalities`` are read. The file is mapped into memory: on the CPU in
    its own dtype the weights are the file's pages, shared by all processes that read it.
    Raises WeightsError (unreadable, missing, unexpected or mis-shaped keys: all in one error).
    """
    return load_model(resolve(path), config, modalities, torch.device(device), dtype)


def load_model(
    path: Path,
    config: Mapping[str, Any] | ImageBindConfig | None = None,
    modalities: Iterable[Modality | str] | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> ImageBind:
    """As ``load``, of a path. ``dtype`` None: as the file has them, so that no
    weight is read before it is used, but for the hash of a large file that was not seen before."""
    chosen = None if modalities is None else frozenset(Modality(m) for m in modalities)
    card = read_card(path)
    integrity.verify(card)
    state = read_state(path, chosen)
    if config is None:
        config = card.config
    elif not isinstance(config, ImageBindConfig):
        config = ImageBindConfig.of(config)
    model = _empty(path, config, held(state) if chosen is None else chosen)
    fill(model, state, path)
    if dtype is not None:
        to_dtype(model, dtype)
    return model.to(device or "cpu").eval().requires_grad_(False)


def read_state(path: Path, modalities: frozenset[Modality] | None = None) -> dict[str, Tensor]:
    """Key -> tensor on the CPU, memory-mapped; only those of ``modalities`` (None: all).

    ``.pth`` and ``.pt`` are read by torch.load(weights_only=True), which refuses code; all other
    names as safetensors. Raises WeightsError.
    """
    if path.suffix in pth.SUFFIXES:
        state = _read_pickle(path)
        return {k: v for k, v in state.items() if _wanted(k, modalities)}
    read_header(path)  # says what is wrong with a broken file, better than the library
    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys() if _wanted(k, modalities)}  # noqa: SIM118 (no iterator there)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: cannot be read ({_first(error)})") from error


def _empty(path: Path, config: ImageBindConfig, modalities: Iterable[Modality]) -> ImageBind:
    """The model without numbers. Raises WeightsError for sizes of which none can be made."""
    try:
        with torch.device("meta"):
            return ImageBind(config, modalities)
    except (RuntimeError, ValueError, TypeError, ArithmeticError) as error:
        raise WeightsError(f"{path}: no model of its sizes ({_first(error)})") from error


def fill(model: ImageBind, state: Mapping[str, Tensor], path: Path) -> None:
    """Put the tensors in the model's places, without copying.

    Raises WeightsError that names all keys that are missing, unexpected or of another shape.
    """
    wanted = model.state_dict()
    wrong = [
        f"{k} {list(state[k].shape)} instead of {list(v.shape)}"
        for k, v in wanted.items()
        if k in state and state[k].shape != v.shape
    ]
    faults = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": sorted(state.keys() - wanted.keys()),
        "of another shape": wrong,
        "not of floats": [k for k, v in state.items() if not v.is_floating_point()],
    }
    if any(faults.values()):
        said = "; ".join(f"{len(v)} {kind}: {_some(v)}" for kind, v in faults.items() if v)
        raise WeightsError(f"{path}: does not hold this model: {said}")
    model.load_state_dict(state, assign=True)


def to_dtype(model: ImageBind, dtype: torch.dtype) -> ImageBind:
    """Weights in ``dtype``, but the logit scales and the mask in float32."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            kept = torch.float32 if name in KEPT_FLOAT32 else dtype
            setattr(module, name, torch.nn.Parameter(parameter.to(kept)))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.float())
    return model


def space_id(card: Card) -> str:
    """``<name>:<12 hex>``: equal for files whose vectors may be compared.

    What the card says (``integrity`` compares that with the image tower), else (the
    official file) the hash of its image tower, remembered.
    """
    if not card.space_id.endswith(UNKNOWN_HASH):
        return card.space_id
    return remembered(card.path, "space_id", lambda: f"{card.name}:{_tower_of(card.path)}")


def _tower_of(path: Path) -> str:
    return tower_hash(read_state(path, frozenset({Modality.VISION})))


def tower_hash(state: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> str:
    """``fingerprint.hash_tower`` of a model's state, rounded to ``dtype`` first."""

    def values(key: str) -> Tensor:
        kept = torch.float32 if key.endswith(KEPT_FLOAT32) else dtype
        return state[key].detach().to(kept).float().contiguous().cpu()

    keys = sorted(k for k in state if modality_of(k) == Modality.VISION)
    return hash_tower((k, tuple(state[k].shape), values(k).numpy()) for k in keys)


def _wanted(key: str, modalities: frozenset[Modality] | None) -> bool:
    return modalities is None or modality_of(key) in modalities


def _read_pickle(path: Path) -> dict[str, Tensor]:
    pth.keys(path)
    try:
        state: Any = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path}: {pth.REFUSED}") from error
    except Exception as error:  # torch raises many kinds on damaged bytes
        raise WeightsError(f"{path}: cannot be read, or is cut short ({_first(error)})") from error
    if not isinstance(state, dict):
        raise WeightsError(f"{path}: holds no state dict (names -> tensors)")
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise WeightsError(f"{path}: holds no state dict (names -> tensors)")
    return state


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _first(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
