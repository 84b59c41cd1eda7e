"""Input -> tokens, before position: the patches of an image, the groups of an IMU.

Shapes: N inputs, C channels, D width of the trunk.
"""

from __future__ import annotations

from torch import Tensor, nn

from bindstream.types import Modality
from encoders.imagebind.config import ImageBindConfig, Stem

_STEM_EPS = 1e-5  # not the trunk's 1e-6


class TwoFrames(nn.Module):
    """A still image shown twice: [N, 3, H, W] or [N, 3, 1, H, W] -> [N, 3, 2, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4:
            x = x.unsqueeze(2)
        return x.repeat(1, 1, 2, 1, 1) if x.shape[2] == 1 else x


class FramesAsChannels(nn.Module):
    """[N, 3, 2, H, W] -> [N, 6, H, W], the first frame's channels first."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(1, 2)


class ConvStem(nn.Sequential):
    """Convolutions with bias, each followed by GELU. Not in the official model.

    Even places hold the convolutions, so a trainer may put conv and batch norm there and
    fold the norm into the conv afterwards.
    """

    def __init__(self, channels: int, stem: Stem, conv: type[nn.Conv1d] | type[nn.Conv2d]) -> None:
        layers: list[nn.Module] = []
        for width, kernel, stride, padding in stem:
            layers += [conv(channels, width, kernel, stride, padding), nn.GELU()]
            channels = width
        super().__init__(*layers)


class PatchStem(nn.Module):
    """Patches of an image: a convolution whose every output place is one token.

    Vision reads two frames by a 3-D convolution; with a conv stem, as six channels.
    """

    def __init__(self, config: ImageBindConfig, modality: Modality) -> None:
        super().__init__()
        dim = config.trunk(modality).dim
        kernel = int(getattr(config, f"{modality}_kernel_size"))
        stride = int(getattr(config, f"{modality}_stride"))
        stem, vision = config.stem(modality), modality is Modality.VISION
        if stem:
            self.conv_stem = ConvStem(6 if vision else 1, stem, nn.Conv2d)
        frames: list[nn.Module] = [TwoFrames()] if vision else []
        if vision and not stem:
            size, step = (2, kernel, kernel), (2, stride, stride)
            self.proj: nn.Module = nn.Sequential(*frames, nn.Conv3d(3, dim, size, step, bias=False))
        else:
            self.proj = nn.Conv2d(stem[-1][0] if stem else 1, dim, kernel, stride, bias=False)
        self.to_channels = nn.Sequential(*frames, FramesAsChannels()) if vision and stem else None
        self.norm_layer = nn.Identity() if vision else nn.LayerNorm(dim, eps=_STEM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Image [N, C, (T,) H, W] -> [N, patches, D], row by row."""
        if self.to_channels is not None:
            x = self.to_channels(x)
        if hasattr(self, "conv_stem"):
            x = self.conv_stem(x)
        patches = self.proj(x).flatten(2).transpose(1, 2)  # [N, D, (1,) h, w] -> [N, h*w, D]
        tokens: Tensor = self.norm_layer(patches)
        return tokens


class ImuStem(nn.Module):
    """Groups of consecutive steps, each flattened channel-major, through one linear layer."""

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        dim, stem = config.trunk(Modality.IMU).dim, config.imu_stem
        if stem:
            self.conv_stem = ConvStem(6, stem, nn.Conv1d)
        self.group = config.imu_kernel_size
        channels = stem[-1][0] if stem else 6
        self.proj = nn.Linear(channels * self.group, dim, bias=False)
        self.norm_layer = nn.LayerNorm(dim, eps=_STEM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 6, T] -> [N, T // group, D]; steps beyond the last whole group are left out."""
        if hasattr(self, "conv_stem"):
            x = self.conv_stem(x)
        groups = x.unfold(-1, self.group, self.group)  # [N, C, T/g, g]
        tokens: Tensor = self.norm_layer(self.proj(groups.transpose(1, 2).flatten(2)))
        return tokens
