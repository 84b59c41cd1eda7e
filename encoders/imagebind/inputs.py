"""Windows -> the model's input, one tensor per batch."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

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
        self._makers = {
            Modality.VISION: self._vision,
            Modality.AUDIO: self._audio,
            Modality.DEPTH: self._depth,
            Modality.THERMAL: self._thermal,
            Modality.IMU: self._imu,
        }

    def tensor(self, modality: Modality, windows: list[Window]) -> Tensor:
        """Windows without fault, all of one modality -> model input, no clip axis."""
        return self._makers[modality](windows)

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
