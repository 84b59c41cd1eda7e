"""Windows and words go in, unit vectors come out; a bad window harms itself alone."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from bindstream.errors import ConfigError, InvalidInput, WeightsError
from bindstream.types import DepthMeta, ImuMeta, Modality, VisionMeta, Window
from encoders import imagebind
from encoders.imagebind import frontends
from encoders.imagebind.encoder import ImageBindEncoder
from encoders.loading import load_encoder
from tests.encoders.small_weights import write_small_weights

RNG = np.random.default_rng(3)
SHAPES = {
    Modality.VISION: (2, 224, 224, 3),
    Modality.AUDIO: (32000,),
    Modality.DEPTH: (120, 160),
    Modality.THERMAL: (60, 80),
    Modality.IMU: (6, 2000),
}
METAS = {
    Modality.VISION: VisionMeta(200_000_000),
    Modality.DEPTH: DepthMeta(fx_px=120.0, baseline_m=0.05),
    Modality.IMU: ImuMeta(400.0, (0.0,) * 6, (1.0,) * 6),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_small_weights(tmp_path_factory.mktemp("small") / "small.safetensors")


@pytest.fixture(scope="module")
def encoder(weights):
    return ImageBindEncoder(str(weights), device="cpu")


def window(modality: Modality, data=None, meta="usual", seq: int = 0) -> Window:
    if data is None:
        data = {
            Modality.VISION: lambda s: RNG.integers(0, 256, s, dtype=np.uint8),
            Modality.AUDIO: lambda s: RNG.uniform(-1, 1, s).astype(np.float32),
            Modality.DEPTH: lambda s: RNG.uniform(0, 6, s).astype(np.float32),
            Modality.THERMAL: lambda s: RNG.uniform(285, 310, s).astype(np.float32),
            Modality.IMU: lambda s: RNG.normal(0, 1, s).astype(np.float32),
        }[modality](SHAPES[modality])
    meta = METAS.get(modality) if meta == "usual" else meta
    return Window(
        robot="r",
        stream=f"the-{modality}",
        modality=modality,
        epoch=1,
        seq=seq,
        start_ns=0,
        end_ns=1,
        data=data,
        meta=meta,
    )


def spoilt(modality: Modality) -> Window:
    data = window(modality).data.copy()
    data.flat[7] = np.nan
    return window(modality, data)


@pytest.mark.parametrize("modality", SHAPES)
def test_encodes_each_modality_as_the_plain_model_does(encoder, weights, modality):
    """Breaks if front ends, batching or the fast path change a vector."""
    windows = [window(modality) for _ in range(3)]
    out = encoder.encode(windows)
    assert out.shape == (3, 64)
    assert out.dtype == np.float32
    assert np.allclose(np.linalg.norm(out, axis=1), 1.0, atol=1e-5)
    model = imagebind.load(weights, modalities=[modality])
    x = encoder._inputs.tensor(modality, windows)
    plain = torch.nn.functional.normalize(model.features(modality, x), dim=-1)
    assert np.allclose(out, plain.numpy(), atol=1e-5)
    alone = np.concatenate([encoder.encode([w]) for w in windows])
    assert np.allclose(out, alone, atol=1e-5)
    assert np.ptp(out, axis=0).max() > 1e-4  # different windows, different vectors


@pytest.mark.parametrize("modality", [Modality.AUDIO, Modality.THERMAL, Modality.IMU])
def test_what_is_not_finite_is_refused_alone(encoder, modality, caplog):
    """Breaks if one NaN poisons the batch, or passes in silence."""
    first, last = window(modality), window(modality)
    with caplog.at_level(logging.WARNING):
        out = encoder.encode([first, spoilt(modality), last])
    assert np.isnan(out[1]).all()
    assert np.allclose(out[[0, 2]], encoder.encode([first, last]), atol=1e-6)
    assert f"stream 'the-{modality}' seq 0: not encoded: 1 values are not finite" in caplog.text
    assert encoder.fault(spoilt(modality)) == "1 values are not finite"
    assert encoder.fault(first) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0])
def test_one_pixel_without_depth_is_a_hole(encoder, value):
    """Breaks if one NaN pixel drops the window, or spreads, or infinity is far away."""
    data = RNG.uniform(1, 6, SHAPES[Modality.DEPTH]).astype(np.float32)
    as_zero, as_value = data.copy(), data.copy()
    as_zero[9, 7], as_value[9, 7] = 0.0, value
    hole, other = encoder.encode([window(Modality.DEPTH, d) for d in (as_zero, as_value)])
    assert np.array_equal(hole, other)
    assert "all are holes" in encoder.fault(window(Modality.DEPTH, np.full((4, 5), value, "f4")))


@pytest.mark.parametrize(
    "bad",
    [
        window(Modality.VISION, np.zeros((2, 224, 200, 3), np.uint8)),
        window(Modality.VISION, np.zeros((2, 224, 224, 3), np.float32)),
        window(Modality.VISION, np.zeros((3, 224, 224, 3), np.uint8)),
        window(Modality.AUDIO, np.zeros(31999, np.float32)),
        window(Modality.DEPTH, np.zeros((4, 5), np.float32)),
        window(Modality.DEPTH, np.ones((4, 5), np.float32), meta=None),
        window(Modality.DEPTH, np.ones((4, 5), np.uint16)),
        window(Modality.THERMAL, np.zeros((0, 5), np.float32)),
        window(Modality.IMU, np.zeros((6, 1999), np.float32)),
        window(Modality.IMU, meta=ImuMeta(400.0, (0.0,) * 6, (float("nan"),) * 6)),
    ],
    ids=lambda w: f"{w.modality}-{w.data.shape}-{w.data.dtype}",
)
def test_what_cannot_be_read_is_refused_alone(encoder, bad, caplog):
    """Breaks if a malformed window raises, and so takes its batch with it."""
    good = window(bad.modality)
    out = encoder.encode([bad, good])
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1]).all()
    assert "not encoded: " in caplog.text


def test_a_still_picture_is_shown_twice(encoder):
    """Breaks if a window of one frame is read as motion from black."""
    frame = RNG.integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    twice = window(Modality.VISION, np.repeat(frame, 2, axis=0))
    out = encoder.encode([window(Modality.VISION, frame), twice])
    assert np.allclose(out[0], out[1], atol=1e-6)  # a row's place in its batch rounds differently


def test_refuses_a_modality_that_it_lacks(weights):
    """Breaks if the caller cannot tell a wrong graph from a bad window."""
    part = ImageBindEncoder(str(weights), modalities=[Modality.AUDIO], device="cpu")
    assert part.modalities == {Modality.AUDIO}
    with pytest.raises(InvalidInput, match="this encoder has audio, got imu"):
        part.encode([window(Modality.IMU)])
    with pytest.raises(InvalidInput, match="one modality, got audio, imu"):
        part.encode([window(Modality.IMU), window(Modality.AUDIO)])
    with pytest.raises(InvalidInput, match="has only audio"):
        part.encode_text(["dog"])


def test_words_become_unit_vectors_at_any_length(encoder, caplog):
    """Breaks if a text's vector depends on its batch, or an unknown word breaks it."""
    texts = ["a dog barks", "the robot is moving left", "", "a zebra barks"]
    out = encoder.encode_text(texts)
    assert out.shape == (4, 64)
    assert np.allclose(np.linalg.norm(out, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([encoder.encode_text([t]) for t in texts])
    assert np.allclose(out, alone, atol=1e-5)
    assert encoder.encode_text([]).shape == (0, 64)
    assert "'a zebra barks': unknown to these weights: zebra" in caplog.text


def test_says_which_space_and_which_file(encoder, weights):
    """Breaks if vectors cannot be traced to their weights."""
    assert encoder.space_id.startswith("small:")
    sha, version, dtype = encoder.encoder_id.split("/")
    assert len(sha) == 12
    assert (version, dtype) == (frontends.VERSION, "float32")
    assert encoder.dim == 64


def test_settings_of_the_file_may_be_replaced_one_by_one(weights):
    """Breaks if one override resets the file's other settings."""
    options = {"front_ends": {"depth": {"mean": 0.5}}}
    encoder = load_encoder(
        "imagebind", str(weights), modalities=[Modality.DEPTH], device="cpu", **options
    )
    depth = encoder._inputs.front_ends.depth
    assert (depth.scale, depth.mean) == (1.0, 0.5)


def test_refuses_before_it_starts(weights):
    """Breaks if a wrong device, dtype or modality surfaces at the first window."""
    with pytest.raises(ConfigError, match="device 'gpu7'"):
        ImageBindEncoder(str(weights), device="gpu7")
    with pytest.raises(ConfigError, match="dtype 'int8': wants auto, float32 or bfloat16"):
        ImageBindEncoder(str(weights), device="cpu", dtype="int8")
    with pytest.raises(WeightsError, match="no such weights file"):
        ImageBindEncoder("/nowhere.safetensors")


def test_a_tower_is_loaded_when_it_is_first_asked_for(weights):
    """Breaks if a robot with one IMU loads five towers that nobody asks, or the one that it asks
    gives other vectors than in company."""
    lazy = load_encoder("imagebind", str(weights), device="cpu")
    named = load_encoder("imagebind", str(weights), device="cpu", modalities=list(lazy.modalities))
    assert lazy._towers.loaded == set()
    assert named._towers.loaded == named.modalities
    lazy.prepare(Modality.IMU)
    assert lazy._towers.loaded == {Modality.IMU}
    held = window(Modality.IMU)
    assert np.allclose(lazy.encode([held]), named.encode([held]), atol=1e-5)
    lazy.encode([window(Modality.DEPTH)])
    assert lazy._towers.loaded == {Modality.IMU, Modality.DEPTH}
    lazy.check()
    assert (lazy.encoder_id, lazy.space_id) == (named.encoder_id, named.space_id)


def test_a_file_that_lacks_a_part_is_refused_before_its_towers_are_asked_for(weights, tmp_path):
    """Breaks if a broken file shows only when the first depth camera is added."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(weights, framework="pt") as file:
        tensors = {k: file.get_tensor(k).clone() for k in file.keys()}  # noqa: SIM118
        metadata = {"bindstream": file.metadata()["bindstream"]}
    del tensors[next(k for k in tensors if k.startswith("modality_trunks.depth"))]
    save_file(tensors, tmp_path / "w.safetensors", metadata=metadata)
    with pytest.raises(WeightsError, match=r"1 missing: modality_trunks\.depth"):
        load_encoder("imagebind", str(tmp_path / "w.safetensors"), device="cpu")
