"""The model gives the reference's numbers, keeps its traps, and can be trained at any size."""

from __future__ import annotations

import pytest
import torch

from bindstream.errors import InvalidInput, WeightsError
from bindstream.types import Modality
from encoders import imagebind
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import ImageBind
from tests.encoders.conftest import CASES, LOGIT_SCALES


@pytest.fixture(scope="module")
def model(golden_weights, golden_config):
    return imagebind.load(golden_weights, config=golden_config)


@pytest.mark.parametrize("case", CASES)
def test_gives_the_references_vectors(model, golden_inputs, golden_outputs, case):
    """Breaks on any change of the mathematics: eps of a norm, GELU, bias_kv, heads, pooling."""
    modality = CASES[case]
    with torch.inference_mode():
        out = model({modality: golden_inputs[case]})[modality]
    bound = 1e-6 * LOGIT_SCALES[modality]
    assert out.dtype == torch.float32
    assert (out - golden_outputs[case]).abs().max().item() <= bound


@pytest.mark.parametrize("case", CASES)
def test_steps_on_the_way_are_the_references(model, golden_inputs, golden_outputs, case):
    """Breaks where stem, class token or positions differ, even if the end happens to agree."""
    modality = CASES[case]
    x = golden_inputs[case]
    x = x.flatten(0, 1) if x.ndim >= 5 else x
    with torch.inference_mode():
        tokens = model.modality_preprocessors[modality](x[:1])[0]
        head = model.features(modality, x)
    assert torch.allclose(tokens, golden_outputs[case + ".tokens0"], atol=1e-5)
    wanted = golden_outputs[case + ".head_prenorm"].reshape(head.shape)
    assert torch.allclose(head, wanted, rtol=1e-5, atol=1e-5)


def test_text_may_stop_at_its_end(model, golden_inputs):
    """Breaks if text is not causal: then what follows the end would matter."""
    ids = golden_inputs["text"]
    end = int(ids.argmax(dim=1).max()) + 1
    with torch.inference_mode():
        whole, short = model({"text": ids})["text"], model({"text": ids[:, :end]})["text"]
    assert torch.allclose(whole, short, atol=1e-5)


def test_clips_are_averaged_after_scaling(model, golden_inputs):
    """Breaks if the mean of clips is normalised again: the reference's is shorter than its
    scale."""
    clips = golden_inputs["audio"]
    norm = model({"audio": clips})["audio"].norm(dim=-1)
    assert (norm < 20.0).all()
    one = model({"audio": clips[:, :1]})["audio"]
    assert torch.allclose(one.norm(dim=-1), torch.full((len(clips),), 20.0))


@pytest.mark.parametrize(
    ("modality", "shape"),
    [
        ("vision", (2, 3, 2, 224, 224)),  # one video clip without its clip axis
        ("vision", (1, 3, 224, 200)),
        ("audio", (1, 128, 204)),
        ("imu", (1, 6, 1999)),
        ("text", (1, 78)),
    ],
)
def test_refuses_what_it_would_misread(model, modality, shape):
    """Breaks if a shape that the model cannot mean reaches a convolution."""
    x = torch.zeros(shape, dtype=torch.long if modality == "text" else torch.float32)
    with pytest.raises(InvalidInput, match=rf"^{modality}: wants"):
        model({modality: x})


def test_loads_only_what_is_asked_for(golden_weights, golden_config, golden_inputs):
    """Breaks if a part of the file is built that nobody asked for."""
    part = imagebind.load(golden_weights, config=golden_config, modalities=["audio"])
    assert all(".audio." in key for key in part.state_dict())
    with pytest.raises(InvalidInput, match="vision: this model holds only audio"):
        part({"vision": golden_inputs["vision"]})


def test_has_the_official_keys_and_shapes():
    """Breaks if the default model could not hold the official file."""
    with torch.device("meta"):
        state = ImageBind().state_dict()
    assert len(state) == 1311
    assert sum(v.numel() for v in state.values()) == 1_200_781_057 + 5_933
    assert state["modality_heads.imu.3.weight"].shape == (1024, 512)
    assert state["modality_preprocessors.vision.rgbt_stem.proj.1.weight"].shape == (
        (1280, 3, 2, 14, 14)
    )


TINY = {
    "out_embed_dim": 16, "image_size": 112, "context_length": 12, "vocab_size": 30,
    **{f"{m}_embed_dim": 24 for m in Modality},
    **{f"{m}_num_blocks": 1 for m in Modality},
    **{f"{m}_num_heads": 2 for m in Modality},
    "vision_stem": [[4, 3, 2, 1], [8, 3, 2, 1]], "vision_kernel_size": 4, "vision_stride": 4,
    "depth_stem": [[4, 3, 2, 1]], "depth_kernel_size": 8, "depth_stride": 8,
    "audio_stem": [[4, 3, 2, 1]], "audio_kernel_size": 8, "audio_stride": 8,
    "imu_stem": [[8, 9, 4, 4]], "imu_kernel_size": 10,
}  # fmt: skip


def test_trains_at_a_small_size_with_conv_stems():
    """Breaks if a parameter gets no gradient, or the token counts do not fit the stems."""
    torch.manual_seed(0)
    model = ImageBind(ImageBindConfig.of(TINY))
    inputs = {
        "vision": torch.randn(2, 3, 112, 112),
        "audio": torch.randn(2, 1, 128, 204),
        "depth": torch.randn(2, 1, 112, 112),
        "thermal": torch.randn(2, 1, 112, 112),
        "imu": torch.randn(2, 6, 2000),
        "text": torch.randint(2, 30, (2, 12)),
    }
    sum(out[:, 0].sum() for out in model(inputs).values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    assert [n for n, p in model.named_parameters() if not p.isfinite().all()] == []


def test_config_names_what_is_wrong():
    """Breaks if a misspelt size is ignored: the file would be refused for its shapes instead."""
    with pytest.raises(WeightsError, match=r"unknown key 'vision_embed_dims'.*'vision_embed_dim'"):
        ImageBindConfig.of({"vision_embed_dims": 64})
    with pytest.raises(WeightsError, match="audio wants a positive embed_dim divisible"):
        ImageBindConfig.of({"audio_num_heads": 5})
    assert ImageBindConfig.of(TINY).overrides()["vision_stem"] == ((4, 3, 2, 1), (8, 3, 2, 1))
    assert ImageBindConfig().overrides() == {}
