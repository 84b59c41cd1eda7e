"""Every fast path gives the model's own numbers, or does not serve."""

from __future__ import annotations

import logging

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders import imagebind, runtime, runtime_cpu
from encoders.runtime import Runtime, choose, example, self_test
from encoders.runtime_cuda import BATCHES, pieces
from tests.encoders.conftest import CASES

packed = pytest.mark.skipif(not runtime_cpu.available(), reason="this torch has no oneDNN")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def model(golden_weights, golden_config):
    return imagebind.load(golden_weights, config=golden_config)


@pytest.fixture(scope="module")
def float32(model):
    return Runtime(model, "cpu", "float32")


@pytest.fixture(scope="module")
def bfloat16(model):
    return Runtime(model, "cpu", "bfloat16")


@pytest.fixture(scope="module")
def graphs(model):
    return Runtime(model, "cuda", "bfloat16")


def one_clip_each(inputs, case):
    x = inputs[case]
    return x.flatten(0, 1) if x.ndim >= 5 else x


def golden_unit(outputs, case, rows):
    return F.normalize(outputs[case + ".head_prenorm"].reshape(rows, -1), dim=-1)


@packed
@pytest.mark.parametrize("case", CASES)
def test_packed_float32_is_the_reference(float32, golden_inputs, golden_outputs, case):
    """Breaks if packing, the short last block or the text cut changes the mathematics."""
    x = one_clip_each(golden_inputs, case)
    out = float32(Modality(CASES[case]), x)
    assert (out - golden_unit(golden_outputs, case, len(x))).abs().max().item() <= 1e-6


@packed
def test_packed_stems_of_convolutions_are_the_models_own():
    """Breaks if GELU is fused wrongly, or packing for one input spoils a batch of several."""
    shipped = imagebind.load("bindstream_tiny", modalities=["vision", "audio", "imu"])
    run = Runtime(shipped, "cpu", "float32")
    for modality in shipped.modalities:
        one = example(shipped, modality)
        x = torch.cat([one, one.flip(-1), 0.3 * one])
        with torch.inference_mode():
            wanted = F.normalize(shipped.features(modality, x), dim=-1)
        assert (run(modality, x) - wanted).abs().max().item() <= 1e-5
        assert (run(modality, x[:1]) - wanted[:1]).abs().max().item() <= 1e-5


@packed
@pytest.mark.parametrize("case", CASES)
def test_packed_bfloat16_keeps_the_direction(bfloat16, golden_inputs, golden_outputs, case):
    """Breaks if attention by products, or a rounding, costs more than bfloat16 must."""
    x = one_clip_each(golden_inputs, case)
    out = bfloat16(Modality(CASES[case]), x)
    wanted = golden_unit(golden_outputs, case, len(x))
    assert F.cosine_similarity(out, wanted, dim=-1).min().item() >= 0.9995


@gpu
@pytest.mark.parametrize("case", CASES)
def test_cuda_graphs_keep_the_direction(graphs, golden_inputs, golden_outputs, case):
    """Breaks if recording, padding or a stale buffer changes a vector."""
    x = one_clip_each(golden_inputs, case)
    modality = Modality(CASES[case])
    out = torch.cat([graphs(modality, x), graphs(modality, x[:1])])
    wanted = golden_unit(golden_outputs, case, len(x))
    cosine = F.cosine_similarity(out, torch.cat([wanted, wanted[:1]]), dim=-1)
    assert cosine.min().item() >= 0.9995


def test_the_plain_path_serves_where_no_other_does(model, golden_inputs, monkeypatch):
    """Breaks if a machine without oneDNN or CUDA cannot run at all."""
    monkeypatch.setattr(runtime_cpu, "available", lambda: False)
    run = Runtime(model, "cpu")
    assert run.choice.path == "plain"
    x = golden_inputs["depth"]
    assert torch.allclose(run(Modality.DEPTH, x), F.normalize(model.features("depth", x), dim=-1))


def test_says_in_one_line_what_was_chosen(model, caplog):
    """Breaks if nobody can tell from the log why an encoder is slow."""
    with caplog.at_level(logging.INFO, logger="encoders.runtime"):
        Runtime(model, "cpu")
    (line,) = [r.getMessage() for r in caplog.records]
    assert "float32, on cpu" in line
    assert "cosine with plain float32: vision 1.00000" in line


def test_refuses_a_path_that_computes_something_else(model):
    """Breaks if a wrong kernel or a damaged packing is served."""
    right = example(model, Modality.IMU)

    def tilted(x):
        out = F.normalize(model.features("imu", x), dim=-1)
        return F.normalize(out + 0.05 * torch.randn_like(out), dim=-1)

    with pytest.raises(WeightsError, match=r"imu: the fast path's vectors have a cosine of 0\.9"):
        self_test(model, Modality.IMU, tilted)
    with pytest.raises(WeightsError, match="cosine of nan"):
        self_test(model, Modality.IMU, lambda x: torch.full((1, 32), float("nan")))
    assert torch.equal(right, example(model, Modality.IMU))


def test_small_models_stay_exact_and_large_ones_round(monkeypatch):
    """Breaks if the small shipped weights lose accuracy for nothing, or the large ones speed."""
    monkeypatch.setattr(runtime, "_cpu_bfloat16", lambda where: True)
    assert choose("cpu", "auto", 2_000_000).dtype == torch.float32
    assert choose("cpu", "auto", 600_000_000).dtype == torch.bfloat16
    assert choose("cpu", "float32", 600_000_000).dtype == torch.float32
    monkeypatch.setattr(runtime, "_cpu_bfloat16", lambda where: False)
    assert choose("cpu", "auto", 600_000_000).dtype == torch.float32


@settings(deadline=None)
@given(st.integers(0, 200))
def test_any_batch_is_cut_into_recorded_sizes(count):
    """Breaks if a batch loses rows, or asks for a size that was never recorded."""
    cut = pieces(count)
    assert sum(rows for rows, _ in cut) == count
    assert all(size in BATCHES and 0 < rows <= size for rows, size in cut)
    assert sum(size for _, size in cut) < 2 * count + 1
