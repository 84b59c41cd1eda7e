"""The shipped small weights: their sizes, front ends and training schedules. Data, not code.

Pictures are read at 112 x 112 (the front end averages 2 x 2 blocks of the pipeline's 224), so
that three stages of convolution and seven by seven tokens are enough.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bindstream.types import Modality
from encoders.bind.train import Schedule
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.window_formats import window_format
from encoders.weights.card import Card

NAME = "bindstream_tiny"
IMAGE_PX = 112
CONTEXT = 32

_PICTURE = {"kernel_size": 2, "stride": 2}


def config(vocab_size: int) -> dict[str, Any]:
    """Fields of ImageBindConfig, for a word list of ``vocab_size`` ids."""
    sizes: dict[str, Any] = {
        "out_embed_dim": 128,
        "image_size": IMAGE_PX,
        "vocab_size": vocab_size,
        "context_length": CONTEXT,
        "imu_head_dropout": 0.0,
        "imu_kernel_size": 5,
        "vision_stem": [[32, 3, 2, 1], [64, 3, 2, 1], [96, 3, 2, 1]],
        "depth_stem": [[24, 3, 2, 1], [48, 3, 2, 1], [64, 3, 2, 1]],
        "thermal_stem": [[24, 3, 2, 1], [48, 3, 2, 1], [64, 3, 2, 1]],
        "audio_stem": [[24, 3, 2, 1], [48, 3, 2, 1], [96, 3, 2, 1]],
        "imu_stem": [[32, 9, 4, 4], [64, 9, 4, 4]],
        "audio_kernel_size": 4,
        "audio_stride": 4,
    }
    for modality in (Modality.VISION, Modality.DEPTH, Modality.THERMAL):
        sizes |= {f"{modality}_{name}": value for name, value in _PICTURE.items()}
    for modality, blocks in BLOCKS.items():
        sizes |= {
            f"{modality}_embed_dim": 128,
            f"{modality}_num_heads": 4,
            f"{modality}_num_blocks": blocks,
        }
    return sizes


BLOCKS = {
    Modality.VISION: 3,
    Modality.TEXT: 2,
    Modality.AUDIO: 3,
    Modality.DEPTH: 2,
    Modality.THERMAL: 2,
    Modality.IMU: 2,
}

FRONT_ENDS: dict[str, Any] = {
    # Absolute scales: how warm, how far and how hard it shakes is what words are about.
    "depth": {"scale": 1.0, "min_depth": 0.3, "max_disparity_px": 10.0, "mean": 0.25, "std": 0.15},
    "thermal": {"low_k": 270.0, "high_k": 350.0, "mean": 0.3, "std": 0.08},
    "imu": {
        "mean": [0.0, 0.0, 9.80665, 0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.5, 0.15, 0.15, 0.25],
    },
}

WINDOWS: dict[str, Any] = {
    "vision": {"length_s": 0.25, "frames": 2},
    "audio": {"length_s": 2.0},
    "depth": {"length_s": None, "frames": 1},
    "thermal": {"length_s": None, "frames": 1},
    "imu": {"length_s": 5.0},
}

N_SCENES = 24_000
WORDS = Schedule(steps=3600, batch=128, lr=1.5e-3, warmup=60)
SENSORS = {
    Modality.AUDIO: Schedule(steps=1500, lr=1.5e-3),
    Modality.THERMAL: Schedule(steps=1200, lr=1.5e-3),
    Modality.DEPTH: Schedule(steps=1000, lr=1.5e-3),
    Modality.IMU: Schedule(steps=800, lr=1.5e-3),
}


def card(path: Path, vocab_size: int) -> Card:
    """The card of these weights before they exist: what their front ends need."""
    sizes = ImageBindConfig.of(config(vocab_size))
    windows = {Modality(m): window_format(Modality(m), sizes, said) for m, said in WINDOWS.items()}
    return Card(path, NAME, f"{NAME}:", frozenset(Modality), sizes, windows, None, FRONT_ENDS)
