"""Golden vectors of the reference model, and weights made by a formula.

The vectors come from facebookresearch/ImageBind @53680b0 in float32 on a CPU; the formula fills
any configuration with the same numbers on any machine (raw PCG64 words, one multiply-add,
rounding to float16), so that a model of 1.2 billion parameters needs no file here.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden" / "imagebind"
LOGIT_SCALES = {
    "vision": 1.0,
    "video": 1.0,
    "audio": 20.0,
    "depth": 5.0,
    "thermal": 10.0,
    "imu": 5.0,
    "text": 1 / 0.07,
}
CASES = {  # golden case -> modality
    "vision": "vision",
    "vision_clip1_T1": "vision",
    "video": "vision",
    "audio": "audio",
    "audio_single4d": "audio",
    "depth": "depth",
    "depth_lowcontrast": "depth",
    "thermal": "thermal",
    "imu": "imu",
    "text": "text",
}


def unit(key: str, shape: tuple[int, ...], salt: int = 0) -> np.ndarray:
    """Uniform, mean 0, variance 1, float32, from the name alone."""
    words = np.random.PCG64(zlib.crc32(key.encode()) + (salt << 32)).random_raw(math.prod(shape))
    uniform = (words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return ((uniform - np.float32(0.5)) * np.float32(3.4641016)).reshape(shape)


def _offset_and_std(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if key.endswith(("bias_k", "bias_v")):
        return 0.0, 1.0
    if key.endswith(("cls_token", "pos_embed")):
        return 0.0, 0.5
    if len(shape) == 1:
        return (1.0, 0.1) if key.endswith("weight") else (0.0, 0.1)
    return 0.0, 1.0 / math.sqrt(math.prod(shape[1:]))


def formula_value(key: str, shape: tuple[int, ...]) -> Tensor | None:
    """The value of one parameter; None: it keeps what the model starts with."""
    if key.endswith(("log_logit_scale", ".mask")):
        return None
    offset, std = _offset_and_std(key, shape)
    value = unit(key, shape) * np.float32(std) + np.float32(offset)
    return torch.from_numpy(value.astype(np.float16).astype(np.float32))


def golden_input(name: str, shape: tuple[int, ...]) -> Tensor:
    """float32 input that a float16 holds exactly."""
    value = unit("input:" + name, shape)
    return torch.from_numpy(value.astype(np.float16).astype(np.float32))


@pytest.fixture(scope="session")
def golden_config() -> dict:
    return json.loads((GOLDEN / "config.json").read_text())["cfg"]


@pytest.fixture(scope="session")
def golden_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model's weights in float32, as a .safetensors file without a card."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    state = load_file(GOLDEN / "small_weights.safetensors")
    save_file({k: v.float() for k, v in state.items()}, path)
    return path


@pytest.fixture(scope="session")
def golden_inputs() -> dict[str, Tensor]:
    inputs = load_file(GOLDEN / "inputs.safetensors")
    return {k: v.long() if v.dtype == torch.int32 else v.float() for k, v in inputs.items()}


@pytest.fixture(scope="session")
def golden_outputs() -> dict[str, Tensor]:
    return load_file(GOLDEN / "outputs.safetensors")
