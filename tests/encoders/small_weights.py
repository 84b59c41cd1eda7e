"""A weights file of the shipped kind in a second: random, but whole, with card and word list.

For tests of everything around the model: it loads, encodes every modality fast, and means
nothing.
"""

from __future__ import annotations

from pathlib import Path

import torch

from bindstream.types import Modality
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import ImageBind
from encoders.weights.load import tower_hash
from encoders.weights.saving import save

WORDS = ["a", "dog", "barks", "rain", "moving", "left", "the", "robot", "is", "near"]
CONFIG = {
    "out_embed_dim": 64,
    "vocab_size": len(WORDS) + 4,
    "context_length": 16,
    **{f"{m}_embed_dim": 48 for m in Modality},
    **{f"{m}_num_blocks": 2 for m in Modality},
    **{f"{m}_num_heads": 3 for m in Modality},
    "vision_kernel_size": 28,
    "vision_stride": 28,
    "depth_kernel_size": 28,
    "depth_stride": 28,
    "thermal_stem": [[8, 6, 4, 1]],
    "thermal_kernel_size": 8,
    "thermal_stride": 8,
    "imu_kernel_size": 40,
}


def write_small_weights(path: Path, seed: int = 0) -> Path:
    """Write the file; the same seed gives the same bytes."""
    torch.manual_seed(seed)
    model = ImageBind(ImageBindConfig.of(CONFIG))
    state = model.state_dict()
    said = {
        "name": "small",
        "space_id": f"small:{tower_hash(state)}",
        "config": CONFIG,
        "windows": {"vision": {"frames": 2, "length_s": 0.2}, "imu": {"length_s": 5.0}},
        "vocabulary": {"kind": "words", "words": WORDS},
        "front_ends": {"depth": {"scale": 1.0}},
        "licence": "none: random numbers",
    }
    save(state, path, said)
    return path
