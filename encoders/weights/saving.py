"""A model's weights -> one safetensors file with its card, tensor by tensor.

Writing streams: a file of 4.8 GB is converted with the memory of its largest tensor. The file
carries the hash of all its bytes (``integrity`` compares it when the file is loaded).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from bindstream.errors import WeightsError
from encoders.weights.card import DIGEST_KEY, METADATA_KEY
from encoders.weights.load import KEPT_FLOAT32

_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_ALIGN_BYTES = 8
_BLANK = "0" * 64  # until all has been written


def save(
    state: Mapping[str, Tensor],
    path: Path,
    said: Mapping[str, Any],
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write ``state`` in ``dtype`` (logit scales and mask stay float32) with the card ``said``.

    ``said`` as ``encoders.weights.card`` describes it. The file appears whole or not at all.
    ``progress`` gets the bytes written since its last call. Raises WeightsError for a dtype that
    is not a float's, or a folder that cannot be written.
    """
    if dtype not in _NAMES:
        raise WeightsError(f"{path}: cannot hold {dtype}, only {', '.join(_NAMES.values())}")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            _write(file, state, said, dtype, progress or (lambda _: None))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        if part.is_file():
            part.unlink()


def _write(
    file: IO[bytes],
    state: Mapping[str, Tensor],
    said: Mapping[str, Any],
    dtype: torch.dtype,
    progress: Callable[[int], None],
) -> None:
    dtypes = {k: torch.float32 if k.endswith(KEPT_FLOAT32) else dtype for k in state}
    header = _header(state, said, dtypes)
    digest = hashlib.sha256(header)
    file.write(header)
    for key, tensor in state.items():
        plain = tensor.detach().to("cpu", dtypes[key]).contiguous().reshape(-1)
        content = plain.view(torch.uint8).numpy().tobytes()
        digest.update(content)
        file.write(content)
        progress(len(content))
    file.seek(header.index(_BLANK.encode()))
    file.write(digest.hexdigest().encode())


def _header(
    state: Mapping[str, Tensor], said: Mapping[str, Any], dtypes: Mapping[str, torch.dtype]
) -> bytes:
    metadata = {DIGEST_KEY: _BLANK, METADATA_KEY: json.dumps(said), "format": "pt"}
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for key, tensor in state.items():
        start, end = end, end + tensor.numel() * dtypes[key].itemsize
        header[key] = {
            "dtype": _NAMES[dtypes[key]],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGN_BYTES)
    return struct.pack("<Q", len(text)) + text
