"""Windows -> the model's input, one tensor per batch; says what is wrong with a bad window."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

from bindstream import depth
from bindstream.formats import Sound
from bindstream.types import Array, DepthMeta, ImuMeta, Modality, Window
from encoders.imagebind import fbank, frontends
from encoders.imagebind.front_end_formats import FrontEnds
from encoders.imagebind.runtime_cuda import to_device
from encoders.weights.card import Card

_FLAT_SHARE = 0.95
_log = logging.getLogger(__name__)


class Inputs:
    """The front ends of one weights file, on one device."""

    def __init__(self, card: Card, front_ends: FrontEnds, device: torch.device) -> None:
        self.front_ends, self.device = front_ends, device
        self.config = card.config
        self._told: set[str] = set()
        audio = card.windows.get(Modality.AUDIO)
        self.samples = audio.samples if isinstance(audio, Sound) else 0
        self._makers = {
            Modality.VISION: self._vision,
            Modality.AUDIO: self._audio,
            Modality.DEPTH: self._depth,
            Modality.THERMAL: self._thermal,
            Modality.IMU: self._imu,
        }

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

    def tensor(self, modality: Modality, windows: list[Window]) -> Tensor:
        """Windows without fault, all of one modality -> model input, no clip axis."""
        return self._makers[modality](windows)

    def _fits(self, modality: Modality, data: Array) -> bool:
        if modality is Modality.VISION:
            return (
                data.dtype == np.uint8 and data.ndim == 4 and data.shape[0] in (1, 2)
                and data.shape[1] == data.shape[2] and data.shape[3] == 3
            )  # fmt: skip
        if data.dtype.kind != "f":
            return False
        if modality is Modality.AUDIO:
            return data.shape == (self.samples,)
        return (
            data.shape == (6, self.config.imu_length)
            if modality is Modality.IMU
            else (data.ndim == 2)
        )

    def _wanted(self, modality: Modality) -> str:
        return {
            Modality.VISION: "uint8 (1 or 2, S, S, 3)",
            Modality.AUDIO: f"float32 ({self.samples},)",
            Modality.IMU: f"float32 (6, {self.config.imu_length})",
        }.get(modality, "float32 (H, W)")

    def _vision(self, windows: list[Window]) -> Tensor:
        pairs = [w.data if len(w.data) == 2 else np.repeat(w.data, 2, axis=0) for w in windows]
        # As bytes to the device, a quarter of what floats would be.
        return frontends.stack(self._put(np.stack(pairs)), self.config.image_size)

    def _audio(self, windows: list[Window]) -> Tensor:
        sound = self._put(np.stack([w.data.astype(np.float32, copy=False) for w in windows]))
        return fbank.mel(sound, self.config.audio_num_mel_bins, self.config.audio_target_len)

    def _depth(self, windows: list[Window]) -> Tensor:
        return torch.stack([self._one_depth(w) for w in windows])

    def _one_depth(self, window: Window) -> Tensor:
        meta, size, fmt = window.meta, self.config.image_size, self.front_ends.depth
        self._warn_if_flat(window)
        metres = self._put(window.data.astype(np.float32, copy=False))
        return frontends.depth(metres, meta.fx_px, meta.baseline_m, size, fmt)  # type: ignore[union-attr]

    def _warn_if_flat(self, window: Window) -> None:
        """Once per stream: nearly all of the picture is nearer than these weights can tell."""
        meta = window.meta
        if window.stream in self._told or not isinstance(meta, DepthMeta):
            return
        nearest_m = self.front_ends.depth.nearest_m(meta.fx_px, meta.baseline_m)
        seen = window.data[window.data > 0]
        if (seen <= nearest_m).mean() > _FLAT_SHARE:
            self._told.add(window.stream)
            _log.warning(
                "stream '%s': nearly all of it is nearer than %.2g m, where these weights see one"
                " flat surface (%g px x %g m, max_disparity_px %g): its vectors say nothing;"
                " docs/model.md, 'Near depth'",
                window.stream, nearest_m, meta.fx_px, meta.baseline_m,
                self.front_ends.depth.max_disparity_px,
            )  # fmt: skip

    def _thermal(self, windows: list[Window]) -> Tensor:
        size, fmt = self.config.image_size, self.front_ends.thermal
        frames = [self._put(w.data.astype(np.float32, copy=False)) for w in windows]
        return torch.stack([frontends.thermal(kelvin, size, fmt) for kelvin in frames])

    def _imu(self, windows: list[Window]) -> Tensor:
        signal = self._put(np.stack([w.data.astype(np.float32, copy=False) for w in windows]))
        metas = [w.meta for w in windows if isinstance(w.meta, ImuMeta)]
        mean = torch.tensor([m.mean for m in metas], device=self.device)
        std = torch.tensor([m.std for m in metas], device=self.device)
        return frontends.imu(signal, mean, std, self.front_ends.imu)

    def _put(self, array: Array) -> Tensor:
        return to_device(torch.from_numpy(np.ascontiguousarray(array)), self.device)


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
