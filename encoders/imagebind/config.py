"""The sizes of an ImageBind model. No torch here: `check` reads configurations without it.

The defaults are ``imagebind_huge`` (Girdhar et al., CVPR 2023); any other value makes a model
of the same structure that cannot hold the official file.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, TypeAlias

from bindstream.errors import WeightsError
from bindstream.types import Modality

Conv: TypeAlias = tuple[int, int, int, int]
"""One convolution of a stem: (channels, kernel, stride, padding)."""
Stem: TypeAlias = tuple[Conv, ...]
"""Convolutions with bias, each followed by GELU, before the patch convolution. () = none."""
_MOST = 1_000_000


class TrunkSize(NamedTuple):
    """Width, depth and number of attention heads of one modality's transformer."""

    dim: int
    blocks: int
    heads: int


@dataclass(frozen=True, slots=True)
class ImageBindConfig:
    """Sizes by modality; see the module for what they mean.

    Images are ``image_size`` square. Audio is ``audio_num_mel_bins`` x ``audio_target_len``
    (mel bands x 10 ms frames). IMU is 6 x ``imu_length`` steps in groups of ``imu_kernel_size``.
    """

    out_embed_dim: int = 1024
    image_size: int = 224

    vision_embed_dim: int = 1280
    vision_num_blocks: int = 32
    vision_num_heads: int = 16
    vision_kernel_size: int = 14
    vision_stride: int = 14
    vision_stem: Stem = ()

    text_embed_dim: int = 1024
    text_num_blocks: int = 24
    text_num_heads: int = 16
    vocab_size: int = 49408
    context_length: int = 77

    audio_embed_dim: int = 768
    audio_num_blocks: int = 12
    audio_num_heads: int = 12
    audio_num_mel_bins: int = 128
    audio_target_len: int = 204
    audio_kernel_size: int = 16
    audio_stride: int = 10
    audio_stem: Stem = ()

    depth_embed_dim: int = 384
    depth_num_blocks: int = 12
    depth_num_heads: int = 8
    depth_kernel_size: int = 16
    depth_stride: int = 16
    depth_stem: Stem = ()

    thermal_embed_dim: int = 768
    thermal_num_blocks: int = 12
    thermal_num_heads: int = 12
    thermal_kernel_size: int = 16
    thermal_stride: int = 16
    thermal_stem: Stem = ()

    imu_embed_dim: int = 512
    imu_num_blocks: int = 6
    imu_num_heads: int = 8
    imu_length: int = 2000
    imu_kernel_size: int = 8
    imu_stem: Stem = ()
    imu_head_dropout: float = 0.5

    @classmethod
    def of(cls, overrides: Mapping[str, Any]) -> ImageBindConfig:
        """From a mapping of field names, as a weights file carries it.

        Raises WeightsError for a name that is not a field (naming the nearest that is) and
        for a value that makes no model.
        """
        if not isinstance(overrides, Mapping):
            raise WeightsError(f"model config: wants sizes by name, got {overrides!r:.80}")
        known = {f.name for f in fields(cls)}
        for name in overrides:
            if name not in known:
                raise WeightsError(f"model config: unknown key '{name}'{_nearest(name, known)}")
        config = cls(**{name: _frozen(name, value) for name, value in overrides.items()})
        config._check()
        return config

    def overrides(self) -> dict[str, Any]:
        """The fields that differ from imagebind_huge: what a weights file needs to carry."""
        huge = asdict(ImageBindConfig())
        return {name: value for name, value in asdict(self).items() if value != huge[name]}

    def trunk(self, modality: Modality) -> TrunkSize:
        """The transformer's size for one modality."""
        return TrunkSize(
            getattr(self, f"{modality}_embed_dim"),
            getattr(self, f"{modality}_num_blocks"),
            getattr(self, f"{modality}_num_heads"),
        )

    def stem(self, modality: Modality) -> Stem:
        """The convolutions before the patches; () for text."""
        stem: Stem = getattr(self, f"{modality}_stem", ())
        return stem

    def tokens(self, modality: Modality) -> int:
        """Tokens in the transformer, the class token included."""
        if modality is Modality.TEXT:
            return self.context_length
        if modality is Modality.IMU:
            return _after(self.imu_length, self.imu_stem) // self.imu_kernel_size + 1
        high, wide = self.patch_grid(modality)
        return high * wide + 1

    def patch_grid(self, modality: Modality) -> tuple[int, int]:
        """Rows and columns of patches of an image-like modality."""
        last = (0, self._size(modality, "kernel_size"), self._size(modality, "stride"), 0)
        high, wide = self.input_size(modality)
        stem = (*self.stem(modality), last)
        return _after(high, stem), _after(wide, stem)

    def input_size(self, modality: Modality) -> tuple[int, int]:
        """Height and width of an image-like modality's input."""
        if modality is Modality.AUDIO:
            return self.audio_num_mel_bins, self.audio_target_len
        return self.image_size, self.image_size

    def _size(self, modality: Modality, name: str) -> int:
        return int(getattr(self, f"{modality}_{name}"))

    def _check(self) -> None:
        for modality in Modality:
            dim, blocks, heads = self.trunk(modality)
            if min(dim, blocks, heads) < 1 or dim % heads:
                raise WeightsError(
                    f"model config: {modality} wants a positive embed_dim divisible by num_heads"
                    f" and at least one block, got {dim}, {heads} and {blocks}"
                )
            if self.tokens(modality) < 2:
                raise WeightsError(f"model config: {modality} has no patch left after its stem")


def _after(size: int, convs: Stem) -> int:
    for _, kernel, stride, padding in convs:
        size = (size + 2 * padding - kernel) // stride + 1
    return size


def _frozen(name: str, value: Any) -> Any:
    if name.endswith("_stem"):
        return _stem(name, value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WeightsError(f"model config: '{name}' wants a number, got {value!r}")
    if name.endswith("_dropout"):
        if not 0 <= value < 1:
            raise WeightsError(f"model config: '{name}' wants a share below 1, got {value!r}")
        return value
    if not isinstance(value, int) or not 1 <= value <= _most(name):
        raise WeightsError(
            f"model config: '{name}' wants a whole number from 1 to {_most(name)}, got {value!r}"
        )
    return value


def _most(name: str) -> int:
    """Far above any model of this kind; a number beyond is damage, and could take all memory."""
    return 256 if name.endswith("_num_blocks") else _MOST


def _stem(name: str, value: Any) -> Stem:
    try:
        stem = tuple(_conv(*conv) for conv in value)
    except (TypeError, ValueError, OverflowError) as error:
        raise WeightsError(
            f"model config: '{name}' wants a list of [channels, kernel, stride, padding],"
            f" got {value!r}"
        ) from error
    return stem


def _conv(channels: int, kernel: int, stride: int, padding: int) -> Conv:
    conv = int(channels), int(kernel), int(stride), int(padding)
    if min(conv[:3]) < 1 or padding < 0 or max(conv) > _MOST:
        raise ValueError(conv)
    return conv


def _nearest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
