"""The encoders' benchmark runs on any processor, and its shares of the peak are of work done."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import encoders as benchmark
from bindstream.types import Modality
from encoders import capability, imagebind
from encoders.imagebind.self_test import example

WORDS = 10


@pytest.fixture(scope="module")
def model():
    return imagebind.load("bindstream_tiny", modalities=["text", "imu"])


@pytest.mark.parametrize(("modality", "length"), [("text", 32), ("text", WORDS), ("imu", None)])
def test_the_work_is_what_torch_counts(model, modality, length):
    """Breaks if GFLOP/s are of products that nobody made: text of ten tokens against 77 was
    printed as 477 % of the peak."""
    length = length or model.config.tokens(Modality(modality))
    dim = model.config.trunk(Modality(modality)).dim
    plain = sdpa_kernel(SDPBackend.MATH)  # of the CPU's fused kernel torch counts nothing
    with torch.no_grad(), plain, FlopCounterMode(display=False) as counted:
        model.modality_trunks[modality](torch.randn(1, length, dim))
    assert benchmark.flop(model.config, Modality(modality), length) == counted.get_total_flops()


def test_every_path_of_this_processor_is_measured_on_its_own_work(model, monkeypatch):
    """Breaks if the benchmark ends in a traceback on a processor without bfloat16, or counts a
    text's unread end."""
    monkeypatch.setattr(benchmark, "core_seconds", lambda call, repeats: call() is None or 1.0)
    x = example(model.config, Modality.TEXT)
    with torch.inference_mode():
        rows = list(benchmark.cpu_rows(model, Modality.TEXT, x, 1))
    assert [row.path for row in rows] == benchmark.cpu_paths()
    assert {"baseline float32", "plain float32"} <= {row.path for row in rows}
    for row in rows:
        packed = row.path.startswith("packed")
        assert row.tokens == (WORDS if packed else 32)
        assert row.gflop == 1e-9 * benchmark.flop(
            model.config, Modality.TEXT, row.tokens, one=packed
        )
        assert row.cosine > 0.9995


def test_the_last_block_of_a_packed_path_is_for_one_token(model):
    """Breaks if work is counted that a packed path leaves out: shares above 100 %."""
    whole = benchmark.flop(model.config, Modality.IMU, 100)
    assert benchmark.flop(model.config, Modality.IMU, 100, one=True) < 0.75 * whole
    assert benchmark.flop(model.config, Modality.IMU, 1, one=True) == pytest.approx(
        benchmark.flop(model.config, Modality.IMU, 1)
    )


def test_what_does_not_run_here_is_said(monkeypatch):
    """Breaks if a missing row looks like an oversight."""
    monkeypatch.setattr(capability, "bfloat16_pays", lambda where: False)
    monkeypatch.setattr(capability, "why_not_packed", lambda dtype: "no such kernel")
    assert benchmark.cpu_paths() == ["baseline float32", "plain float32"]
    assert benchmark.missing_paths() == [
        "bfloat16 is left out: on this processor it is no faster than float32",
        "packed float32 is left out: no such kernel",
        "packed bfloat16 is left out: no such kernel",
    ]
