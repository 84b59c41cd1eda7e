"""imagebind_huge at its own size: loads fast and small, and gives the reference's vectors.

The weights are not the published ones but zeros (for loading) and the golden formula's (for
numbers), so that nothing need be downloaded.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from bindstream.types import Modality
from encoders.capability import why_not_packed
from encoders.imagebind.model import ImageBind
from encoders.imagebind.runtime_cpu import PackedTower
from tests.encoders.conftest import GOLDEN, LOGIT_SCALES, formula_value, golden_input

pytestmark = pytest.mark.long

INPUTS = {
    "vision": ("vision", (4, 3, 224, 224)),
    "audio1": ("audio", (4, 1, 128, 204)),
    "audio3": ("audio", (4, 3, 1, 128, 204)),
    "depth": ("depth", (4, 1, 224, 224)),
    "thermal": ("thermal", (4, 1, 224, 224)),
    "imu": ("imu", (4, 6, 2000)),
    "text": ("text", (4, 77)),
}

LOADED = """
import sys, time
import torch
from encoders import imagebind
modalities = sys.argv[2].split(",") if len(sys.argv) > 2 else None
start, busy = time.perf_counter(), time.process_time()
model = imagebind.load(sys.argv[1], modalities=modalities)
busy = time.process_time() - busy
wall = time.perf_counter() - start
print(f"loaded in {wall:.2f} s, {busy:.2f} s of CPU", file=sys.stderr)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(status["VmHWM"].split()[0], len(model.state_dict()), "sympy" in sys.modules)
"""


@pytest.fixture(scope="module")
def zeros(tmp_path_factory) -> Path:
    """4.8 GB of zeros under the official names, taking no place on the disk."""
    with torch.device("meta"):
        state = ImageBind().state_dict()
    header, end = {}, 0
    for key, value in state.items():
        start, end = end, end + 4 * value.numel()
        header[key] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path = tmp_path_factory.mktemp("huge") / "imagebind_huge.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    assert end == 4_803_147_960
    return path


def loaded(path: Path, *modalities: str) -> tuple[float, int, str]:
    """Peak GB of a process of its own, keys, and whether it imported what costs a second."""
    command = [sys.executable, "-c", LOADED, str(path), *modalities]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(done.stderr.strip())  # the time: shown by -s, not asserted
    peak_kb, keys, slow = done.stdout.split()
    return int(peak_kb) / 1e6, int(keys), slow


def test_loads_without_touching_what_nobody_uses(zeros):
    """Breaks if loading reads or copies weights (2 GB), draws numbers, or imports for a second."""
    peak_gb, keys, slow = loaded(zeros)
    assert keys == 1311
    assert peak_gb < 2.0
    assert slow == "False"


def test_two_modalities_touch_only_themselves(zeros):
    """Breaks if a robot with a camera and a microphone pays for the text tower."""
    peak_gb, keys, _ = loaded(zeros, "vision,audio")
    assert keys == 392 + 177
    assert peak_gb < 2.0


def test_the_pth_loads_by_mapping_too(zeros, tmp_path):
    """Breaks if the official format is unpickled into memory."""
    state = load_file(zeros)
    torch.save({k: v for k, v in state.items() if ".vision." in k}, tmp_path / "p.pth")
    peak_gb, keys, _ = loaded(tmp_path / "p.pth", "vision")
    assert keys == 392
    assert peak_gb < 2.0  # of 2.5 in the file


def filled(modality: str) -> ImageBind:
    """One modality of imagebind_huge, filled by the golden formula."""
    model = ImageBind(modalities=[modality])
    state = model.state_dict()
    for key, value in state.items():
        made = formula_value(key, tuple(value.shape))
        if made is not None:
            value.copy_(made)
    return model.eval().requires_grad_(False)


def huge_input(case: str) -> torch.Tensor:
    name, shape = INPUTS[case]
    if name != "text":
        return golden_input(name, shape)
    ids = torch.zeros(shape, dtype=torch.long)
    for row, length in enumerate((5, 12, 20, 60)):
        ids[row, 0] = 49406
        ids[row, 1:length] = torch.arange(length - 1) * 37 % 40000 + 300
        ids[row, length] = 49407
    return ids


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("modality", ["vision", "text", "audio", "depth", "thermal", "imu"])
def test_gives_the_references_vectors_at_full_size(modality):
    """Breaks where only the real depth and width show a difference."""
    wanted = load_file(GOLDEN / "huge_outputs.safetensors")
    model = filled(modality)
    with torch.inference_mode():
        for case in (c for c, (name, _) in INPUTS.items() if name == modality):
            x = huge_input(case)
            out = model({modality: x})[modality]
            bound = 1e-6 * LOGIT_SCALES[modality]
            assert (out - wanted[case]).abs().max().item() <= bound
            for dtype, cosine in ((torch.float32, 0.9999999), (torch.bfloat16, 0.9995)):
                if x.ndim < 5 and why_not_packed(dtype) is None:
                    fast = PackedTower(model, Modality(modality), dtype)(x)
                    assert F.cosine_similarity(fast, wanted[case]).min().item() >= cosine
