"""What a sensor gives -> what the model reads. Functions on tensors, on any device, stateless.

Vision and audio (``fbank``) follow the reference's published preprocessing. For depth, thermal and
IMU the reference published none: ``front_end_formats`` says what is known and how sure it is, and
holds the numbers.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from encoders.imagebind.front_end_formats import DepthFormat, ImuFormat, ThermalFormat
from encoders.imagebind.front_end_formats import FrontEnds as FrontEnds  # they belong together

VERSION = "fe1"
"""Changes with any change of a number here or of a default there: it is part of encoder_id."""

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_CLIP_SHIFT = tuple(-m / s for m, s in zip(CLIP_MEAN, CLIP_STD, strict=True))
_PERCENTILE_PIXELS = 16_384  # sorting all of a 640 x 480 frame would take 27 ms


def image(pixels: Tensor, size: int = 224) -> Tensor:
    """One still picture, uint8 (H, W, 3) RGB -> (3, size, size).

    The reference's image path: short side to ``size`` by Pillow's bicubic with antialiasing, the
    middle square, CLIP's mean and std. Within 1/255 of Pillow. Orientation tags are not applied.
    """
    height, width = pixels.shape[:2]
    short = min(height, width)
    to = (int(size * height / short), int(size * width / short))
    planes = pixels.permute(2, 0, 1).unsqueeze(0)
    fast = short >= size and not planes.is_cuda
    small = _bicubic(planes, to) if fast else _bicubic_in_two_passes(planes.float(), to)
    return normalised(_middle(small, size)[0].float() / 255, colours=0)


def video(frames: Tensor, size: int = 224) -> Tensor:
    """Frames of one clip, uint8 (T, H, W, 3) RGB -> three crops (3, 3, T, size, size).

    The reference's video path: short side to ``size`` by plain bilinear (no antialiasing), then
    squares at the start, middle and end of the long side.
    """
    planes = frames.permute(3, 0, 1, 2).float() / 255  # (3, T, H, W)
    small = normalised(short_side(planes, size), colours=0)
    height, width = small.shape[-2:]
    tops, lefts = _thirds(height - size), _thirds(width - size)
    if height > width:
        lefts = [lefts[1]] * 3
    else:
        tops = [tops[1]] * 3
    crops = zip(tops, lefts, strict=True)
    return torch.stack([small[..., y : y + size, x : x + size] for y, x in crops])


def short_side(planes: Tensor, size: int) -> Tensor:
    """(C, T, H, W) -> short side ``size``, plain bilinear, as the reference scales video."""
    height, width = planes.shape[-2:]
    if height < width:
        to = (size, math.floor(width / height * size))
    else:
        to = (math.floor(height / width * size), size)
    return F.interpolate(planes, to, mode="bilinear", align_corners=False)


def stack(frames: Tensor, size: int = 224) -> Tensor:
    """Windows of frames already square, uint8 (N, T, S, S, 3) -> (N, 3, T, size, size).

    Frames are cut by the pipeline (the video path, middle crop); a model of another size gets
    them by area averaging. Half the size is the mean of 2 x 2 bytes: their sums are exact in
    int16, six times as fast as averaging floats.
    """
    if frames.shape[2] == 2 * size:
        return _standardised(_sums_of_four(frames), white=4 * 255.0)
    if frames.shape[2] == size:
        return _standardised(frames.permute(0, 4, 1, 2, 3), white=255.0)
    planes = frames.permute(0, 4, 1, 2, 3).float()  # (N, 3, T, S, S)
    n, c, t = planes.shape[:3]
    small = F.interpolate(planes.flatten(0, 2).unsqueeze(1), (size, size), mode="area")
    return _standardised(small.reshape(n, c, t, size, size), white=255.0)


def _sums_of_four(frames: Tensor) -> Tensor:
    """uint8 (N, T, 2S, 2S, 3) -> int16 (N, 3, T, S, S), 0..1020."""
    rows = frames[:, :, 0::2].to(torch.int16) + frames[:, :, 1::2]
    return (rows[:, :, :, 0::2] + rows[:, :, :, 1::2]).permute(0, 4, 1, 2, 3)


def _standardised(planes: Tensor, white: float) -> Tensor:
    """(N, 3, ...) of 0..``white`` -> as ``normalised`` does from 0..1, in two passes."""
    shape = [1, 3] + [1] * (planes.ndim - 2)
    scale = torch.tensor([1 / (white * s) for s in CLIP_STD], device=planes.device)
    shift = torch.tensor(_CLIP_SHIFT, device=planes.device)
    return planes.float() * scale.reshape(shape) + shift.reshape(shape)


def normalised(planes: Tensor, colours: int) -> Tensor:
    """Planes in 0..1, minus CLIP's mean over its std; ``colours`` is the axis of the three."""
    shape = [1] * planes.ndim
    shape[colours] = 3
    mean = torch.tensor(CLIP_MEAN, device=planes.device).reshape(shape)
    std = torch.tensor(CLIP_STD, device=planes.device).reshape(shape)
    return (planes - mean) / std


def depth(
    metres: Tensor, fx_px: float, baseline_m: float, size: int = 224, fmt: DepthFormat | None = None
) -> Tensor:
    """Float depth (H, W) in metres -> (1, size, size); see DepthFormat.

    0, negative, infinite and NaN are holes (`bindstream.depth`). They are filled from their
    surroundings first (ImageBind's data were in-painted); a frame of holes only gives NaN.
    ``fx_px`` belongs to the native size.
    """
    fmt = fmt or DepthFormat()
    filled = fill_holes(metres.nan_to_num(0.0, 0.0, 0.0).clamp_min(0.0))
    disparity = fx_px * baseline_m / (filled * fmt.scale).clamp(fmt.min_depth, fmt.max_depth)
    share = disparity.clamp(fmt.min_disparity_px, fmt.max_disparity_px) / fmt.max_disparity_px
    return (_square(share, size).clamp(0.0, 1.0) - fmt.mean) / fmt.std


def fill_holes(metres: Tensor) -> Tensor:
    """(H, W): each 0 gets the mean of the smallest 2^n square around it that holds a value."""
    known = metres > 0
    if bool(known.all()):
        return metres
    if metres.numel() == 1:
        return torch.full_like(metres, math.nan)
    share = F.avg_pool2d(known.to(metres.dtype)[None], 2, ceil_mode=True, count_include_pad=False)
    mean = F.avg_pool2d((metres * known)[None], 2, ceil_mode=True, count_include_pad=False)
    quarter = fill_holes((mean / share).nan_to_num(0.0)[0])  # 0 / 0: a hole there as well
    around = F.interpolate(quarter[None, None], metres.shape, mode="nearest")[0, 0]
    return torch.where(known, metres, around)


def thermal(kelvin: Tensor, size: int = 224, fmt: ThermalFormat | None = None) -> Tensor:
    """Float temperatures (H, W) in kelvin -> (1, size, size); see ThermalFormat."""
    fmt = fmt or ThermalFormat()
    low, high = _range_k(kelvin, fmt)
    share = ((kelvin - low) / (high - low)).clamp(0.0, 1.0)
    return (_square(share, size).clamp(0.0, 1.0) - fmt.mean) / fmt.std


def _range_k(kelvin: Tensor, fmt: ThermalFormat) -> tuple[float, float]:
    if fmt.low_k is not None and fmt.high_k is not None:
        return fmt.low_k, fmt.high_k
    pixels = kelvin.flatten()
    ordered = pixels[:: max(1, len(pixels) // _PERCENTILE_PIXELS)].sort().values
    last = len(ordered) - 1
    low = float(ordered[round(fmt.low_percentile / 100 * last)])
    high = float(ordered[round(fmt.high_percentile / 100 * last)])
    spare = max(0.0, fmt.min_span_k - (high - low)) / 2
    return low - spare, high + spare


def imu(signal: Tensor, mean: Tensor, std: Tensor, fmt: ImuFormat | None = None) -> Tensor:
    """Windows (N, 6, T) of m/s2 and rad/s, with (N, 6) mean and std -> (N, 6, T); see ImuFormat."""
    fmt = fmt or ImuFormat()
    if fmt.mean is not None:
        mean = torch.tensor([fmt.mean], dtype=signal.dtype, device=signal.device)
    if fmt.std is not None:
        std = torch.tensor([fmt.std], dtype=signal.dtype, device=signal.device)
    return (signal - mean.unsqueeze(-1)) / std.clamp_min(fmt.min_std).unsqueeze(-1)


def _square(channel: Tensor, size: int) -> Tensor:
    """(H, W) -> (1, size, size): short side by bicubic with antialiasing, the middle square."""
    height, width = channel.shape
    short = min(height, width)
    to = (int(size * height / short), int(size * width / short))
    return _middle(_bicubic(channel[None, None], to), size)[0]


def _bicubic(planes: Tensor, to: tuple[int, int]) -> Tensor:
    """On uint8 torch runs fixed-point passes as Pillow does, but has too few bits to enlarge."""
    return F.interpolate(planes, to, mode="bicubic", antialias=True, align_corners=False)


def _bicubic_in_two_passes(planes: Tensor, to: tuple[int, int]) -> Tensor:
    """As Pillow: rows first, rounded to 0..255, then columns."""
    rows = _bicubic(planes, (planes.shape[-2], to[1])).round().clamp(0, 255)
    return _bicubic(rows, to).round().clamp(0, 255)


def _middle(planes: Tensor, size: int) -> Tensor:
    top, left = (round((n - size) / 2) for n in planes.shape[-2:])
    return planes[..., top : top + size, left : left + size]


def _thirds(spare: int) -> list[int]:
    return [0, math.ceil(spare / 2), spare]
