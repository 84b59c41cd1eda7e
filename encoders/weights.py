"""Weights files -> a model: mapped into memory, checked as a whole, never unpickling code."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders.card import UNKNOWN_HASH, Card, held, read_card, read_header
from encoders.fingerprint import remembered
from encoders.imagebind import ImageBind
from encoders.imagebind_config import ImageBindConfig

KEPT_FLOAT32 = ("log_logit_scale", "mask")
"""Last names of what stays float32 in any dtype: one number each, and -inf."""
_NAMED = 5  # keys named per kind of mistake, before "and N more"


def load_model(
    path: Path,
    config: Mapping[str, Any] | ImageBindConfig | None = None,
    modalities: Iterable[Modality | str] | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> ImageBind:
    """``encoders.imagebind.load``: see there. ``dtype`` None: as the file has them, so that no
    weight is read before it is used."""
    chosen = None if modalities is None else frozenset(Modality(m) for m in modalities)
    state = read_state(path, chosen)
    if config is None:
        config = read_card(path).config
    elif not isinstance(config, ImageBindConfig):
        config = ImageBindConfig.of(config)
    with torch.device("meta"):
        model = ImageBind(config, held(state) if chosen is None else chosen)
    fill(model, state, path)
    if dtype is not None:
        to_dtype(model, dtype)
    return model.to(device or "cpu").eval().requires_grad_(False)


def read_state(path: Path, modalities: frozenset[Modality] | None = None) -> dict[str, Tensor]:
    """Key -> tensor on the CPU, memory-mapped; only those of ``modalities`` (None: all).

    ``.pth`` and ``.pt`` are read by torch.load(weights_only=True), which refuses code; all other
    names as safetensors. Raises WeightsError.
    """
    if path.suffix in (".pth", ".pt"):
        state = _read_pickle(path)
        return {k: v for k, v in state.items() if _wanted(k, modalities)}
    read_header(path)  # says what is wrong with a broken file, better than the library
    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys() if _wanted(k, modalities)}  # noqa: SIM118 (no iterator there)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read ({error})") from error


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

    What the card says, else (the official file) the hash of its image tower, remembered.
    """
    if not card.space_id.endswith(UNKNOWN_HASH):
        return card.space_id
    return remembered(card.path, "space_id", lambda: f"{card.name}:{_tower_of(card.path)}")


def _tower_of(path: Path) -> str:
    return tower_hash(read_state(path, frozenset({Modality.VISION})))


def tower_hash(state: Mapping[str, Tensor]) -> str:
    """12 hex digits of the SHA-256 over the image tower: each ``vision`` key in order, its shape
    and its float32 values, little-endian."""
    digest = hashlib.sha256()
    for key in sorted(k for k in state if k.split(".")[1] == Modality.VISION):
        tensor = state[key].detach().float().contiguous().cpu()
        digest.update(f"{key} {list(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:12]


def _wanted(key: str, modalities: frozenset[Modality] | None) -> bool:
    return modalities is None or key.split(".")[1] in modalities


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused: it holds more than tensors (code could run on loading), or is no"
            " PyTorch file"
        ) from error
    except (OSError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{path}: cannot be read, or is cut short ({_first(error)})") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: holds no state dict (names -> tensors)")
    return state


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _first(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
