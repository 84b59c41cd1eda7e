"""What the machine can do is tried, not believed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from bindstream.errors import ConfigError
from encoders import CPU_ISA, capability
from encoders.imagebind import runtime_cpu

CPU = torch.device("cpu")

ASKED = """
import torch
from encoders import capability, imagebind
from encoders.imagebind.runtime import Runtime
bf16 = torch.bfloat16
print(torch.backends.cpu.get_cpu_capability(), capability.bfloat16_pays(torch.device("cpu")))
print(capability.why_not_packed(bf16))
run = Runtime(imagebind.load("bindstream_tiny", modalities=["imu"]), "cpu", "bfloat16")
print(run.choice.dtype_name, run.paths["imu"])
"""


@pytest.fixture(autouse=True)
def _forgotten():
    capability.why_not_packed.cache_clear()
    capability.bfloat16_pays.cache_clear()
    yield
    capability.why_not_packed.cache_clear()
    capability.bfloat16_pays.cache_clear()


def test_a_smaller_processor_is_believed():
    """Breaks if a flag of the CPU's is asked: with AVX-512 hidden, and on a laptop, packing
    bfloat16 ends in a traceback and an encoder of that format never starts."""
    environment = os.environ | {CPU_ISA: "avx2"}
    done = subprocess.run(
        [sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=True
    )
    capable, why_not, ran = done.stdout.splitlines()
    assert capable == "AVX2 False"
    assert "bf16" in why_not
    assert ran == "bfloat16 plain"


def test_a_switch_misspelt_is_refused(monkeypatch):
    """Breaks if a test with AVX-512 hidden hides nothing."""
    done = subprocess.run(
        [sys.executable, "-c", "import encoders"],
        env=os.environ | {CPU_ISA: "avx-2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "BINDSTREAM_CPU_ISA=avx-2: wants avx2 or sse41" in done.stderr


def test_products_that_fail_or_are_wrong_are_not_used(monkeypatch):
    """Breaks if what a build of torch offers is taken for what it does."""

    class Wrong(runtime_cpu.Linear):
        def plus(self, x, residual):
            return residual

    monkeypatch.setattr(runtime_cpu, "Linear", Wrong)
    assert "its products are wrong" in capability.why_not_packed(torch.float32)

    def refuse(*_):
        raise RuntimeError("not here\nand a stack trace")

    capability.why_not_packed.cache_clear()
    monkeypatch.setattr(runtime_cpu, "Linear", refuse)
    assert capability.why_not_packed(torch.float32) == "not here"


def test_bfloat16_that_is_wrong_or_refused_does_not_pay(monkeypatch):
    """Breaks if its speed alone counts."""
    linear = torch.nn.functional.linear
    monkeypatch.setattr(
        capability.F, "linear", lambda x, w: linear(x, w) * (-1 if x.dtype == torch.bfloat16 else 1)
    )
    assert not capability.bfloat16_pays(CPU)


@pytest.mark.parametrize("name", ["gpu7", "cuda:63", "meta"])
def test_a_device_that_does_not_compute_is_refused(name):
    """Breaks if a wrong device surfaces at the first window."""
    with pytest.raises(ConfigError, match=f"device '{name}': not on this machine"):
        capability.device(name)


def test_a_gpu_that_is_there_and_computes_nothing_is_left_alone(monkeypatch, caplog):
    """Breaks if auto takes a GPU for which this torch has no kernels."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(capability, "_adds", lambda where: _no_kernel())
    assert capability.device("auto") == CPU
    assert "the GPU is left alone, it does not compute: no kernel image" in caplog.text


def _no_kernel():
    raise RuntimeError("no kernel image is available for execution on the device")


def test_the_least_of_several_is_taken_and_soon_enough():
    """Breaks if one disturbed run decides, or a slow candidate is run five times."""
    calls = []
    assert capability.least_seconds(lambda: calls.append(1), CPU, runs=5) < 0.1
    assert len(calls) == 6
    calls.clear()
    capability.least_seconds(lambda: calls.append(sum(range(300_000))), CPU, budget_s=0.0)
    assert len(calls) == 2
