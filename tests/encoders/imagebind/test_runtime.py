"""Every fast path gives the model's own numbers, or does not serve."""

from __future__ import annotations

import logging
import re

import pytest
import torch
import torch.nn.functional as F

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders import capability, imagebind
from encoders.imagebind import runtime_choice
from encoders.imagebind.runtime import Runtime, choose
from encoders.imagebind.runtime_choice import Candidate, formats_by_speed, paths_by_speed
from encoders.imagebind.runtime_cpu import PackedTower
from encoders.imagebind.self_test import trial_inputs
from tests.encoders.conftest import CASES

packed = pytest.mark.skipif(
    capability.why_not_packed(torch.float32) is not None, reason="this torch has no oneDNN"
)
packed_bfloat16 = pytest.mark.skipif(
    capability.why_not_packed(torch.bfloat16) is not None, reason="no packed bfloat16 here"
)
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def model(golden_weights, golden_config):
    return imagebind.load(golden_weights, config=golden_config)


@pytest.fixture(scope="module")
def two(golden_weights, golden_config):
    """Two modalities of it, for what is true of each."""
    return imagebind.load(golden_weights, config=golden_config, modalities=["depth", "imu"])


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
def test_packed_float32_is_the_reference(model, golden_inputs, golden_outputs, case):
    """Breaks if packing, the short last block or the text cut changes the mathematics."""
    x = one_clip_each(golden_inputs, case)
    with torch.inference_mode():
        out = PackedTower(model, Modality(CASES[case]), torch.float32)(x)
    assert (out - golden_unit(golden_outputs, case, len(x))).abs().max().item() <= 1e-6


@packed
def test_packed_stems_of_convolutions_are_the_models_own():
    """Breaks if GELU is fused wrongly, or packing for one input spoils a batch of several."""
    shipped = imagebind.load("bindstream_tiny", modalities=["vision", "audio", "imu"])
    for modality in shipped.modalities:
        two = trial_inputs(shipped.config, modality)
        x = torch.cat([two, 0.3 * two.flip(-1)])
        with torch.inference_mode():
            tower = PackedTower(shipped, modality, torch.float32)
            wanted = F.normalize(shipped.features(modality, x), dim=-1)
            assert (tower(x) - wanted).abs().max().item() <= 1e-5
            assert (tower(x[:1]) - wanted[:1]).abs().max().item() <= 1e-5


@packed_bfloat16
@pytest.mark.parametrize("case", CASES)
def test_packed_bfloat16_keeps_the_direction(model, golden_inputs, golden_outputs, case):
    """Breaks if attention by products, or a rounding, costs more than bfloat16 must."""
    x = one_clip_each(golden_inputs, case)
    with torch.inference_mode():
        out = PackedTower(model, Modality(CASES[case]), torch.bfloat16)(x)
    wanted = golden_unit(golden_outputs, case, len(x))
    assert F.cosine_similarity(out, wanted, dim=-1).min().item() >= 0.9995


@pytest.mark.parametrize("case", CASES)
def test_bfloat16_is_served_by_any_processor(bfloat16, golden_inputs, golden_outputs, case):
    """Breaks if ``dtype: bfloat16`` ends in a traceback on a CPU that does not multiply it."""
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
    monkeypatch.setattr(capability, "why_not_packed", lambda dtype: "hidden")
    run = Runtime(model, "cpu")
    assert set(run.paths.values()) == {"plain"}
    x = golden_inputs["depth"]
    assert torch.allclose(run(Modality.DEPTH, x), F.normalize(model.features("depth", x), dim=-1))


def test_says_in_one_line_what_was_chosen_and_why(two, caplog):
    """Breaks if nobody can tell from the log why an encoder is slow."""
    with caplog.at_level(logging.INFO, logger="encoders.imagebind.runtime"):
        run = Runtime(two, "cpu")
    (line,) = [r.getMessage() for r in caplog.records]
    assert "float32, on cpu" in line
    assert re.search(rf"depth {run.paths[Modality.DEPTH]} \(.*plain float32 \d+\.\d\d", line)
    assert "cosine with plain float32: depth 1.00000" in line


@packed
def test_the_faster_path_is_taken_modality_by_modality(two, monkeypatch):
    """Breaks if packed is taken for granted: on a CPU without AVX-512 plain may beat it."""

    def timed(call, where, **_):
        return 0.02 if isinstance(call.func, PackedTower) else 0.01

    monkeypatch.setattr(capability, "least_seconds", timed)
    assert set(Runtime(two, "cpu").paths.values()) == {"plain"}
    monkeypatch.setattr(capability, "least_seconds", lambda *_, **__: 0.01)  # none is faster
    assert set(Runtime(two, "cpu").paths.values()) == {"packed"}


@packed
def test_a_steady_choice_hangs_on_no_measurement(two, monkeypatch):
    """Breaks if two starts may take two paths after all, whose vectors differ in their last bits:
    then no two replays could be compared."""

    def timed(call, where, **_):
        return 0.02 if isinstance(call.func, PackedTower) else 0.01

    monkeypatch.setattr(capability, "least_seconds", timed)
    assert set(Runtime(two, "cpu", steady=True).paths.values()) == {"packed"}


def test_the_fastest_format_is_one_for_all_modalities():
    """Breaks if modalities of one encoder round differently, or a path that one of them lacks is
    taken for all."""
    f32, bf16 = torch.float32, torch.bfloat16
    both = {Candidate("packed", bf16): 10.0, Candidate("plain", f32): 30.0}
    slow = {Candidate("plain", bf16): 30.0, Candidate("plain", f32): 25.0}
    assert formats_by_speed({Modality.VISION: both, Modality.AUDIO: slow}) == [bf16, f32]
    assert formats_by_speed({Modality.VISION: slow}) == [f32, bf16]
    alone = {Candidate("plain", f32): 100.0}
    assert formats_by_speed({Modality.VISION: both, Modality.AUDIO: alone}) == [f32]
    even = {Candidate("packed", f32): 10.0, Candidate("plain", f32): 9.9}
    assert paths_by_speed(even, f32)[0].path == "packed"


def broken_packing(monkeypatch, spoil):
    class Broken(PackedTower):
        def __call__(self, x):
            return spoil(super().__call__(x))

    monkeypatch.setattr(runtime_choice, "PackedTower", Broken)


@packed
@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: torch.ones_like(v),
        lambda v: v.roll(1, -1),
        lambda v: v * float("nan"),
    ],
    ids=["constant", "shifted", "nan"],
)
def test_a_broken_path_makes_way_for_the_next(two, monkeypatch, caplog, spoil):
    """Breaks if a wrong kernel is served because it is fast, or stops an encoder that need not
    use it."""
    broken_packing(monkeypatch, spoil)
    run = Runtime(two, "cpu", "float32")
    assert set(run.paths.values()) == {"plain"}
    assert "encoder path packed float32 is left out: depth: the fast path's vectors" in caplog.text


@packed
def test_a_path_that_breaks_in_its_depth_makes_way_too(two, monkeypatch, caplog):
    """Breaks if the first blocks' proof is taken for the whole tower's."""

    class Deep(PackedTower):
        def __call__(self, x):
            out = super().__call__(x)
            return out.roll(1, -1) if len(self.blocks) > 1 else out

    monkeypatch.setattr(runtime_choice, "PackedTower", Deep)
    assert two.config.imu_num_blocks > 2
    run = Runtime(two, "cpu", "float32")
    assert run.paths[Modality.IMU] == "plain"


def test_refuses_to_serve_where_no_path_is_right(two, monkeypatch):
    """Breaks if vectors that mean nothing are served."""

    class Lost(runtime_choice.PlainTower):
        def __call__(self, x):
            return super().__call__(x).flip(-1)

    monkeypatch.setattr(runtime_choice, "PlainTower", Lost)
    monkeypatch.setattr(capability, "why_not_packed", lambda dtype: "hidden")
    with pytest.raises(WeightsError, match="the fast path's vectors have a cosine of"):
        Runtime(two, "cpu", "float32")


def test_small_models_stay_exact_and_large_ones_round(monkeypatch):
    """Breaks if the small shipped weights lose accuracy for nothing, or the large ones speed."""
    monkeypatch.setattr(capability, "bfloat16_pays", lambda where: True)
    assert choose("cpu", "auto", 2_000_000).dtype == torch.float32
    assert choose("cpu", "auto", 600_000_000).dtype == torch.bfloat16
    assert choose("cpu", "float32", 600_000_000).dtype == torch.float32
    monkeypatch.setattr(capability, "bfloat16_pays", lambda where: False)
    assert choose("cpu", "auto", 600_000_000).dtype == torch.float32


def test_the_check_finds_a_device_that_went_wrong(two, monkeypatch):
    """Breaks if a replica whose device is poisoned passes its own check."""
    run = Runtime(two, "cpu")
    run.check()
    monkeypatch.setattr(run._witness, "_tower", lambda x: torch.zeros(1, 32))
    with pytest.raises(WeightsError, match="no longer gives what it gave at start"):
        run.check()
