"""Which windows the model can take, by shape and value; in words, what is wrong with one."""

from __future__ import annotations

import numpy as np

from bindstream import depth
from bindstream.formats import Sound
from bindstream.types import Array, DepthMeta, ImuMeta, Modality, Window
from encoders.weights.card import Card


class Accepted:
    """By the weights that ``card`` describes."""

    def __init__(self, card: Card) -> None:
        audio = card.windows.get(Modality.AUDIO)
        self._samples = audio.samples if isinstance(audio, Sound) else 0
        self._imu_length = card.config.imu_length

    def fault(self, window: Window) -> str | None:
        """Why a window cannot be encoded (wanted and got), or None."""
        data, modality = window.data, window.modality
        if data.size == 0 or not self._fits(modality, data):
            got = f"{data.dtype} {data.shape}"
            return f"wants {self._wanted(modality)}, got {got}"
        holes = modality is Modality.DEPTH  # what is not finite is one: `bindstream.depth`
        if data.dtype.kind == "f" and not holes and not np.isfinite(data).all():
            return f"{int((~np.isfinite(data)).sum())} values are not finite"
        return _fault_of(window)

    def _fits(self, modality: Modality, data: Array) -> bool:
        if modality is Modality.VISION:
            return (
                data.dtype == np.uint8 and data.ndim == 4 and data.shape[0] in (1, 2)
                and data.shape[1] == data.shape[2] and data.shape[3] == 3
            )  # fmt: skip
        if data.dtype.kind != "f":
            return False
        if modality is Modality.AUDIO:
            return data.shape == (self._samples,)
        return data.shape == (6, self._imu_length) if modality is Modality.IMU else (data.ndim == 2)

    def _wanted(self, modality: Modality) -> str:
        return {
            Modality.VISION: "uint8 (1 or 2, S, S, 3)",
            Modality.AUDIO: f"float32 ({self._samples},)",
            Modality.IMU: f"float32 (6, {self._imu_length})",
        }.get(modality, "float32 (H, W)")


def _fault_of(window: Window) -> str | None:
    meta = window.meta
    if window.modality is Modality.DEPTH:
        if not isinstance(meta, DepthMeta) or not 0 < meta.fx_px * meta.baseline_m < np.inf:
            return f"wants DepthMeta with a focal length and a baseline, got {meta}"
        if not (depth.holed(window.data) > 0).any():
            return "no pixel holds a depth: all are holes"
    if window.modality is Modality.IMU and not _is_finite(meta):
        return f"wants ImuMeta with six finite means and stds, got {meta}"
    return None


def _is_finite(meta: object) -> bool:
    if not isinstance(meta, ImuMeta) or len(meta.mean) != 6 or len(meta.std) != 6:
        return False
    return bool(np.isfinite([*meta.mean, *meta.std]).all())
