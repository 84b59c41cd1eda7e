"""What sensors give becomes what the reference's own preprocessing would have given."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

from encoders import imagebind
from encoders.imagebind import frontends
from encoders.imagebind.front_end_formats import DepthFormat, ImuFormat, ThermalFormat
from tests.encoders.conftest import GOLDEN

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).reshape(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).reshape(3, 1, 1)
RNG = np.random.default_rng(0)


def by_pillow(pixels: np.ndarray) -> torch.Tensor:
    """The reference's image path, step by step, 0..1."""
    picture = Image.fromarray(pixels)
    wide, high = picture.size
    short = min(wide, high)
    picture = picture.resize((int(224 * wide / short), int(224 * high / short)), Image.BICUBIC)
    left, top = round((picture.width - 224) / 2), round((picture.height - 224) / 2)
    square = np.asarray(picture.crop((left, top, left + 224, top + 224)))
    return torch.from_numpy(square.copy()).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize(
    "shape", [(720, 1280), (480, 640), (333, 225), (224, 224), (100, 130), (301, 224)]
)
def test_a_still_picture_is_pillows_within_one_step(shape):
    """Breaks if the filter, its rounding or the crop differs from the reference's image path."""
    noise = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    out = frontends.image(torch.from_numpy(noise)) * STD + MEAN
    assert (out - by_pillow(noise)).abs().max().item() <= 1.001 / 255


def test_colours_are_normalised_as_the_reference_does(golden_weights, golden_config):
    """Breaks if the reference's own three pictures lead to other vectors."""
    assets = load_file(GOLDEN / "assets_preprocessed.safetensors")
    pixels = torch.stack([assets[f"{n}_image_u8"] for n in ("dog", "car", "bird")])
    model = imagebind.load(golden_weights, config=golden_config, modalities=["vision"])
    out = model({"vision": frontends.normalised(pixels.float() / 255, colours=1)})["vision"]
    assert torch.allclose(out, assets["emb_small_vision"], atol=2e-6)


@pytest.mark.parametrize("name", ["land", "port", "square"])
def test_a_video_clip_is_the_references(name):
    """Breaks if video were antialiased like stills, or its crops moved."""
    high, wide = {"land": (256, 456), "port": (456, 256), "square": (256, 256)}[name]
    words = np.random.PCG64(zlib.crc32(f"input:videopre_{name}".encode())).random_raw(
        3 * 2 * high * wide
    )
    frames = (words >> np.uint64(56)).astype(np.uint8).reshape(3, 2, high, wide)
    crops = frontends.video(torch.from_numpy(frames).permute(1, 2, 3, 0))
    wanted = load_file(GOLDEN / "video_preprocessed.safetensors")[f"{name}_sub7"]
    assert crops.shape == (3, 3, 2, 224, 224)
    assert (crops[..., ::7, ::7] - wanted).abs().max().item() <= 1e-5


def test_a_stack_of_frames_keeps_its_order_and_size():
    """Breaks if frames, rows and colours are mixed up on the way to the model."""
    frames = torch.from_numpy(RNG.integers(0, 256, (2, 2, 224, 224, 3), dtype=np.uint8))
    out = frontends.stack(frames)
    wanted = (frames[1, 0, 5, 7].float() / 255 - MEAN[:, 0, 0]) / STD[:, 0, 0]
    assert torch.allclose(out[1, :, 0, 5, 7], wanted)
    small = frontends.stack(frames, 112)
    assert small.shape == (2, 3, 2, 112, 112)
    assert torch.allclose(small[0, :, 1, 0, 0], out[0, :, 1, :2, :2].mean((-1, -2)), atol=1e-6)


@pytest.mark.parametrize("side", [224, 112, 160, 64])
def test_a_stack_of_any_size_is_the_area_mean_of_floats(side):
    """Breaks if summing bytes, or scaling and shifting at once, gives other pixels than the
    reference's steps in floats."""
    frames = torch.from_numpy(RNG.integers(0, 256, (2, 2, side, side, 3), dtype=np.uint8))
    frames[0, 0, :4] = 255  # sums must not wrap
    planes = (frames.float() / 255).permute(0, 4, 1, 2, 3).flatten(0, 1)  # (N * 3, T, S, S)
    small = torch.nn.functional.adaptive_avg_pool2d(planes, 112).unflatten(0, (2, 3))
    wanted = frontends.normalised(small, colours=1)
    assert (frontends.stack(frames, 112) - wanted).abs().max().item() <= 2e-6


def test_depth_is_disparity_over_its_greatest():
    """Breaks if the formula, its clamps or its statistics change unnoticed."""
    flat = torch.full((480, 640), 2.5)
    share = 518.86 * 0.075 / 20.0 / 75.0  # metres are read eight-fold
    assert torch.allclose(
        frontends.depth(flat, 518.86, 0.075), torch.tensor((share - 0.0418) / 0.0295), atol=1e-5
    )
    plain = DepthFormat(scale=1.0, mean=0.0, std=1.0)
    near = frontends.depth(torch.full((240, 320), 0.1), 500.0, 0.1, fmt=plain)
    assert near.max().item() == 1.0
    assert near.shape == (1, 224, 224)


def test_holes_take_their_surroundings():
    """Breaks if a hole (0 m) reads as something very near, which is what it divides to."""
    metres = torch.full((48, 65), 3.0)
    metres[10:30, 20:50] = 0.0
    metres[0, 0] = 0.0
    assert torch.allclose(frontends.fill_holes(metres), torch.full((48, 65), 3.0), atol=1e-5)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_filled_depth_stays_within_what_was_seen(height, width, seed):
    """Breaks if filling invents depths, or changes a value that was measured."""
    rng = np.random.default_rng(seed)
    metres = rng.uniform(0.3, 8.0, (height, width)).astype(np.float32)
    metres[rng.random((height, width)) < 0.5] = 0.0
    filled = frontends.fill_holes(torch.from_numpy(metres)).numpy()
    if not metres.any():
        assert np.isnan(filled).all()
        return
    seen = metres[metres > 0]
    assert (filled[metres > 0] == seen).all()
    assert filled.min() >= seen.min() - 1e-4
    assert filled.max() <= seen.max() + 1e-4


def test_thermal_is_stretched_to_its_own_range():
    """Breaks if absolute temperature leaks in, or a blank wall is stretched into noise."""
    ramp = torch.linspace(290.0, 310.0, 240 * 320).reshape(240, 320)
    out = frontends.thermal(ramp)
    assert torch.allclose(out, frontends.thermal(ramp + 15.0), atol=1e-4)
    assert out.min().item() == 0.0
    assert out.max().item() == 1.0
    wall = frontends.thermal(295 + 0.05 * torch.randn(240, 320))
    assert wall.std().item() < 0.05
    fixed = frontends.thermal(ramp, fmt=ThermalFormat(low_k=270.0, high_k=330.0))
    assert fixed.mean().item() == pytest.approx(0.5, abs=0.01)


def test_imu_is_z_scored_by_what_travels_with_it():
    """Breaks if channels mix, or a sensor at rest divides by zero."""
    signal = torch.randn(1, 6, 2000) * torch.arange(1.0, 7.0).reshape(1, 6, 1) + 9.81
    mean, std = signal.mean(-1), signal.std(-1)
    out = frontends.imu(signal, mean, std)
    assert out.mean(-1).abs().max().item() < 1e-3
    assert (out.std(-1) - 1).abs().max().item() < 1e-3
    still = frontends.imu(torch.zeros(1, 6, 2000), torch.zeros(1, 6), torch.zeros(1, 6))
    assert still.abs().max().item() == 0.0
    fixed = ImuFormat(mean=(9.81,) * 6, std=(2.0,) * 6)
    assert torch.allclose(frontends.imu(signal, mean, std, fixed), (signal - 9.81) / 2)
