"""How much faster the encoder's paths are than ImageBind as it was published.

One run, side by side, imagebind_huge's sizes with random weights, one window at a time:

- baseline: the same model built on nn.MultiheadAttention, sequence first, float32, as the
  reference is;
- plain: ``encoders/imagebind/model.py`` as it stands;
- packed: ``encoders/imagebind/runtime_cpu.py``;

the last two in float32 and, where this processor multiplies it, bfloat16. What cannot run here
is said and left out. Text is one of ten tokens, and one that fills its context: the packed
paths stop at a text's end, the others do not.

CPU figures are core-seconds: this process's CPU time with one thread, the least of the
repeats, so that a busy machine disturbs them little. GFLOP/s count what a path really
multiplies: no tokens behind a text's end, no last block for tokens that nobody reads. On a CUDA
machine a second table follows.

    python -m benchmarks.encoders [--modality vision]... [--repeats 3] [--tiny]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bindstream.types import Modality
from encoders import capability
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import Block, ImageBind
from encoders.imagebind.runtime import Runtime
from encoders.imagebind.runtime_choice import Candidate, cpu_tower
from encoders.imagebind.runtime_cpu import Linear
from encoders.imagebind.self_test import example
from encoders.weights.card import SHIPPED, read_card
from encoders.weights.load import load_model

ORDER = ("vision", "audio", "thermal", "depth", "imu", "text")
BATCHES = (1, 4, 8, 32)


@dataclass(frozen=True)
class Row:
    """One path of one modality. ``gflop``: what it multiplies for one window of ``tokens``."""

    modality: str
    tokens: int
    path: str
    core_s: float
    cosine: float
    gflop: float
    peak: float  # GFLOP/s of one core in this path's number format


class ReferenceBlock(nn.Module):
    """A block as the reference builds it: sequence first, on nn.MultiheadAttention."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        dim, ours = block.attn.out_proj.in_features, block.attn
        self.norm_1, self.norm_2, self.mlp = block.norm_1, block.norm_2, block.mlp
        bias_kv = ours.bias_k is not None
        self.attn = nn.MultiheadAttention(dim, ours.heads, add_bias_kv=bias_kv)
        self.attn.load_state_dict(ours.state_dict(), assign=True)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[L, N, D] -> [L, N, D]."""
        y = self.norm_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.norm_2(x))


class Baseline:
    """One modality, as the reference runs it."""

    def __init__(self, model: ImageBind, modality: Modality) -> None:
        self.model, self.modality = model, modality
        trunk = model.modality_trunks[modality]
        self.pre = trunk.pre_transformer_layer
        self.blocks = [ReferenceBlock(block).eval() for block in trunk.blocks]

    def __call__(self, x: Tensor) -> Tensor:
        stem = self.model.modality_preprocessors[self.modality]
        head = self.model.modality_heads[self.modality]
        text = self.modality is Modality.TEXT
        hidden = self.pre(stem(x)).transpose(0, 1).contiguous()
        for block in self.blocks:
            hidden = block(hidden, stem.mask if text else None)
        tokens = hidden.transpose(0, 1)
        return F.normalize(head(tokens, x) if text else head(tokens), dim=-1)


def random_model(modality: Modality) -> ImageBind:
    """One modality at imagebind_huge's size, weights of the usual spread."""
    with torch.device("meta"):
        model = ImageBind(ImageBindConfig(), [modality])
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if name.endswith("log_logit_scale"):
            value.fill_(math.log(10.0))
        elif name.endswith("mask"):
            value.fill_(-math.inf).triu_(1)
        elif value.ndim == 1:
            value.uniform_(-0.17, 0.17, generator=generator)
            value += 1.0 if name.endswith("weight") else 0.0
        else:
            spread = math.sqrt(3.0 / (math.prod(value.shape[1:]) if value.ndim > 1 else 1))
            value.uniform_(-spread, spread, generator=generator)
    return model.eval().requires_grad_(False)


def flop(config: ImageBindConfig, modality: Modality, length: int, *, one: bool = False) -> float:
    """Of the transformer over ``length`` tokens; multiply and add are two. ``one``: in the last
    block one token alone gets a query, an output and an MLP, as in a packed tower."""
    dim, blocks, _ = config.trunk(modality)
    keys = length + (modality not in (Modality.VISION, Modality.TEXT))
    whole = 24.0 * length * dim * dim + 4.0 * length * keys * dim
    last = 4.0 * length * dim * dim + 20.0 * dim * dim + 4.0 * keys * dim
    return blocks * whole - (whole - last if one else 0.0)


def core_seconds(call: Callable[[], object], repeats: int) -> float:
    """Least CPU time of this process over the repeats, after one run to warm up."""
    call()
    best = math.inf
    for _ in range(repeats):
        start, runs = time.process_time(), 0
        while time.process_time() - start < 0.2:
            call()
            runs += 1
        best = min(best, (time.process_time() - start) / runs)
    return best


def gemm_peak(dtype: torch.dtype, repeats: int, *, packed: bool) -> float:
    """GFLOP/s of one core in the vision tower's widest product."""
    rows, wide, narrow = 257, 5120, 1280
    x, weight = torch.randn(rows, narrow).to(dtype), torch.randn(wide, narrow).to(dtype)
    linear = Linear(weight, None, dtype) if packed else partial(F.linear, weight=weight)
    return 2e-9 * rows * wide * narrow / core_seconds(lambda: linear(x), repeats)


def cpu_paths() -> list[str]:
    """What runs on this processor, the baseline first."""
    formats = [torch.float32]
    if capability.bfloat16_pays(torch.device("cpu")):
        formats.append(torch.bfloat16)
    packed = [f for f in formats if capability.why_not_packed(f) is None]
    return [
        "baseline float32",
        *(str(Candidate("plain", f)) for f in formats),
        *(str(Candidate("packed", f)) for f in packed),
    ]


def missing_paths() -> list[str]:
    """What does not run here and why, a line each."""
    lines = []
    if not capability.bfloat16_pays(torch.device("cpu")):
        lines.append("bfloat16 is left out: on this processor it is no faster than float32")
    for number in (torch.float32, torch.bfloat16):
        if why := capability.why_not_packed(number):
            lines.append(f"{Candidate('packed', number)} is left out: {why}")
    return lines


def inputs(model: ImageBind, modality: Modality) -> list[Tensor]:
    """One window; of text two: ten tokens, and as many as the model reads."""
    x = example(model.config, modality)
    if modality is Modality.VISION:
        return [x[:, :, 0]]  # a still picture, as in the README
    if modality is not Modality.TEXT:
        return [x]
    full = torch.randint(1, int(x.max()), x.shape, generator=torch.Generator().manual_seed(0))
    full[0, -1] = x.max()
    return [x, full]


def cpu_rows(model: ImageBind, modality: Modality, x: Tensor, repeats: int) -> Iterator[Row]:
    """All paths of one modality for one input."""
    wanted = Baseline(model, modality)(x)
    for path in cpu_paths():
        tower, packed = _tower(model, modality, path), path.startswith("packed")
        dtype = getattr(torch, path.split()[1])
        length = model.config.tokens(modality)
        if packed and modality is Modality.TEXT:
            length = int(x.argmax()) + 1
        gflop = 1e-9 * flop(model.config, modality, length, one=packed)
        cosine = float(F.cosine_similarity(tower(x), wanted).min())
        core_s = core_seconds(partial(tower, x), repeats)
        peak = gemm_peak(dtype, repeats, packed=packed)
        yield Row(modality, length, path, core_s, cosine, gflop, peak)


def _tower(model: ImageBind, modality: Modality, path: str) -> Callable[[Tensor], Tensor]:
    kind, number = path.split()
    if kind == "baseline":
        return Baseline(model, modality)
    return cpu_tower(model, modality, Candidate(kind, getattr(torch, number)))


def print_cpu(modalities: list[Modality], repeats: int) -> None:
    """The CPU table, as markdown, a row as soon as it is known."""
    for line in missing_paths():
        print(line)
    print("\n| modality | tokens | path | core-s per window | ratio | cosine | GFLOP/s | of peak |")
    print("|---|---|---|---|---|---|---|---|")
    for modality in modalities:
        model = random_model(modality)
        for x in inputs(model, modality):
            base = 0.0
            for row in cpu_rows(model, modality, x, repeats):
                base = base or row.core_s
                print_row(row, base)


def print_row(row: Row, base: float) -> None:
    """``base``: core-seconds of the baseline for the same window."""
    speed = row.gflop / row.core_s
    print(
        f"| {row.modality} | {row.tokens} | {row.path} | {row.core_s:.4f} |"
        f" {base / row.core_s:.2f} | {row.cosine:.5f} | {speed:.0f} | {speed / row.peak:.0%} |",
        flush=True,
    )


def print_tiny(repeats: int) -> None:
    """The shipped weights: milliseconds of one core per window, front end left out."""
    card = read_card(None)
    print(f"\n{SHIPPED}, on the path that is chosen here:\n")
    print("| modality | path | core-ms per window |\n|---|---|---|")
    model = load_model(card.path, card.config)
    runtime = Runtime(model, "cpu", "auto")
    for modality in model.modalities:
        x = example(model.config, modality)
        core_ms = 1e3 * core_seconds(partial(runtime, modality, x), repeats)
        print(f"| {modality} | {runtime.paths[modality]} | {core_ms:.2f} |", flush=True)


def print_cuda(modalities: list[Modality]) -> None:
    """Latency and rate per batch size in bfloat16, and the share of the measured peak."""
    peak = cuda_peak()
    print(f"\n{torch.cuda.get_device_name()}, bfloat16 peak measured {peak:.0f} TFLOP/s\n")
    print("| modality | batch | ms per batch | windows/s | share of peak |")
    print("|---|---|---|---|---|")
    for modality in modalities:
        model = random_model(modality)
        tower = Runtime(model, "cuda", "bfloat16")
        tera = 1e-12 * flop(model.config, modality, model.config.tokens(modality))
        x = example(model.config, modality)
        for batch in BATCHES:
            many = x.expand(batch, *x.shape[1:]).contiguous().cuda()
            seconds = wall_seconds(partial(tower, modality, many))
            rate = batch / seconds
            share = rate * tera / peak
            row = (modality, batch, f"{1e3 * seconds:.2f}", f"{rate:.0f}", f"{share:.0%}")
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


def cuda_peak() -> float:
    """TFLOP/s of one large square product."""
    side = 8192
    a = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    return 2e-12 * side**3 / wall_seconds(lambda: a @ a)


def wall_seconds(call: Callable[[], object], runs: int = 20) -> float:
    """Mean time of a call that ends on the host or the device."""
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(runs):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / runs


def main() -> None:
    """Print the tables that this machine can give."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modality", action="append", choices=ORDER)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="only the shipped small weights")
    args = parser.parse_args()
    torch.set_num_threads(1)
    modalities = [Modality(m) for m in args.modality or ORDER]
    with torch.inference_mode():
        if not args.tiny:
            isa = torch.backends.cpu.get_cpu_capability()
            print(f"torch {torch.__version__}, {isa}, one thread\n")
            print_cpu(modalities, args.repeats)
            if torch.cuda.is_available():
                print_cuda(modalities)
        if args.tiny or not args.modality:
            print_tiny(args.repeats)


if __name__ == "__main__":
    main()
