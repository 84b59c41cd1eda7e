"""A second encoder: any OpenCLIP model in a local folder, pictures and words only.

The folder is as ``open_clip`` and the Hugging Face hub lay it out: ``open_clip_config.json`` beside
``open_clip_model.safetensors`` (or ``open_clip_pytorch_model.bin``). Nothing is downloaded. Many
such models may be used for commerce, which ImageBind's weights may not.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bindstream.errors import InvalidInput, MissingExtra, WeightsError
from bindstream.types import Array, Modality, Vector, Window
from encoders.imagebind.runtime import choose
from encoders.open_clip.folder import HELD, found, offer, square, window_format
from encoders.weights.fingerprint import file_sha256, remembered

VERSION = "oc1"
"""Changes with the preprocessing: part of encoder_id."""
_log = logging.getLogger(__name__)


class OpenClipEncoder:
    """``weights``: the folder. A window's newest frame is encoded.

    Raises MissingExtra without open_clip, WeightsError for a folder that is not a model's,
    InvalidInput for a modality other than vision, ConfigError for a device that is not there.
    """

    offer = staticmethod(offer)

    def __init__(
        self,
        weights: str | None,
        *,
        modalities: Iterable[Modality] | None = None,
        device: str = "auto",
        dtype: str = "auto",
    ) -> None:
        asked = HELD if modalities is None else frozenset(map(Modality, modalities))
        if not asked <= HELD:
            absent = ", ".join(sorted(asked - HELD))
            raise WeightsError(f"an OpenCLIP model holds vision and text, not {absent}")
        seen = found(weights)
        folder, file, lacks_words = seen.path, seen.file, seen.lacks_words
        if lacks_words and modalities is not None and Modality.TEXT in asked:
            raise WeightsError(lacks_words)
        if lacks_words:
            _log.warning("loaded without text: %s", lacks_words)
        self.modalities = asked - {Modality.TEXT} if lacks_words else asked
        words = Modality.TEXT in self.modalities
        self._model, self._tokenize = _loaded(folder, words)
        parameters = sum(p.numel() for p in self._model.parameters())
        self._choice = choose(device, dtype, parameters)
        self._model.to(self._choice.device, self._choice.dtype)
        form = self._model.visual.preprocess_cfg
        self._size = square(folder, form["size"])
        self.windows = {Modality.VISION: window_format(self._size, form)}
        self._form = form
        self._mean, self._std = (self._constant(form[name]) for name in ("mean", "std"))
        tower = remembered(file, "space_id", lambda: _tower_hash(self._model))
        self.space_id = f"open_clip-{folder.name}:{tower}"
        self.encoder_id = f"{file_sha256(file)[:12]}/{VERSION}/{self._choice.dtype_name}"
        blank = torch.zeros(1, self._size, self._size, 3, dtype=torch.uint8)
        self.dim = self._unit("encode_image", self._planes(blank)).shape[1]
        _log.info("encoder path: open_clip %s, %s", folder.name, self._choice)

    def encode(self, windows: list[Window]) -> Vector:
        """Vision windows -> (B, dim) float32, unit norm each; NaN for one of another shape."""
        wrong = {w.modality for w in windows} - (self.modalities - {Modality.TEXT})
        if wrong:
            raise InvalidInput(f"an OpenCLIP encoder has vision only, got {', '.join(wrong)}")
        good = [n for n, window in enumerate(windows) if _usable(window)]
        out = np.full((len(windows), self.dim), np.nan, dtype=np.float32)
        if good:
            newest = np.stack([self._fitted(windows[n].data[-1]) for n in good])
            out[good] = self._unit("encode_image", self._planes(torch.from_numpy(newest)))
        return out

    def encode_text(self, texts: list[str], _modality: Modality | None = None) -> Vector:
        """Words -> (B, dim) float32, unit norm each. Raises InvalidInput without text."""
        if self._tokenize is None:
            raise InvalidInput("text: this encoder has only vision")
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        return self._unit("encode_text", self._tokenize(texts).to(self._choice.device))

    def _fitted(self, frame: Array) -> Array:
        """uint8 (H, W, 3) -> (size, size, 3), by open_clip's own rules where it is not so yet."""
        if frame.shape[:2] == (self._size, self._size):
            return frame
        from open_clip.transform import PreprocessCfg, image_transform_v2
        from PIL import Image

        plain = {**self._form, "mean": (0.0,) * 3, "std": (1.0,) * 3}
        planes = image_transform_v2(PreprocessCfg(**plain), is_train=False)(Image.fromarray(frame))
        return np.asarray((planes * 255).round().byte().permute(1, 2, 0))

    def _planes(self, frames: Tensor) -> Tensor:
        """uint8 (N, size, size, 3) -> (N, 3, size, size), as the model's own settings say."""
        planes = frames.to(self._choice.device).permute(0, 3, 1, 2).float() / 255
        return ((planes - self._mean) / self._std).to(self._choice.dtype)

    def _unit(self, method: str, x: Tensor) -> Vector:
        with torch.inference_mode():
            vectors: Tensor = F.normalize(getattr(self._model, method)(x).float(), dim=-1)
        return np.asarray(vectors.cpu())

    def _constant(self, values: Iterable[float]) -> Tensor:
        return torch.tensor(tuple(values), device=self._choice.device).reshape(3, 1, 1)


def _loaded(folder: Path, words: bool) -> tuple[Any, Any]:
    if importlib.util.find_spec("open_clip") is None:
        raise MissingExtra("open_clip_torch", "clip", "the encoder 'open_clip'")
    import open_clip

    try:
        model = open_clip.create_model(
            f"local-dir:{folder}", require_pretrained=True, weights_only=True
        )
        tokenize = open_clip.get_tokenizer(f"local-dir:{folder}") if words else None
    except Exception as error:  # open_clip raises many kinds, all of them about the folder
        raise WeightsError(f"{folder}: open_clip cannot load it ({error})") from error
    return model.eval().requires_grad_(False), tokenize


def _tower_hash(model: Any) -> str:
    """12 hex digits of the SHA-256 over the image tower's float32 values."""
    digest = hashlib.sha256()
    for key, value in sorted(model.visual.state_dict().items()):
        digest.update(f"{key} {list(value.shape)}\n".encode())
        digest.update(value.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def _usable(window: Window) -> bool:
    data = window.data
    fits = data.dtype == np.uint8 and data.ndim == 4 and data.shape[-1] == 3 and data.size > 0
    if fits:
        return True
    wanted = "wants uint8 (T, H, W, 3)"
    _log.warning("stream '%s': not encoded: %s, got %s", window.stream, wanted, data.shape)
    return False
