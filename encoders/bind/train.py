"""Binding: train a tower so that what it sees lands where the frozen image tower put it.

One loss (InfoNCE, symmetric, learnable temperature: van den Oord et al. 2018; Radford et al.
2021; Girdhar et al. 2023), one step that any trainer can call, and one loop on this machine
that can be stopped and gone on with. What is trained on what: `bind_words` (stage 1, images with
words) and `bind_sensor` (stage 2, a sensor to frozen image vectors).

Shapes: B pairs of a batch, E joint space.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from bindstream.errors import WeightsError
from encoders import capability
from encoders.bind import batch_norm

Batch: TypeAlias = tuple[Tensor, ...]

_MAX_LOG_SCALE = math.log(100.0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast: AdamW, linear warm-up, then a cosine down to nothing.

    Driven by the step alone, so that a busy machine changes how long it takes, not what
    comes out. ``shards``: see `step`. ``device``: cpu, cuda, cuda:1... or auto, where it runs.
    """

    steps: int
    batch: int = 128
    lr: float = 1.5e-3
    warmup: int = 40
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    shards: int = 2
    seed: int = 0
    device: str = "cpu"

    def said(self) -> dict[str, Any]:
        """What a run's file is known by: all but the place."""
        return {name: value for name, value in asdict(self).items() if name != "device"}

    def lr_at(self, step: int) -> float:
        """The learning rate of that step, 0 <= step < steps."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class Temperature(nn.Module):
    """A learnable logit scale, 1/0.07 at first, at most 100 (CLIP)."""

    def __init__(self, scale: float = 1 / 0.07) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self) -> Tensor:
        return self.log_scale.clamp(max=_MAX_LOG_SCALE).exp()


def info_nce(left: Tensor, right: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of unit vectors (B, E) and (B, E): row i belongs to row i, all other
    rows of the batch are its negatives. Returns the mean loss, a scalar; ln B is chance."""
    logits = scale * left @ right.T  # (B, B)
    own = torch.arange(len(left), device=left.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


class Objective(Protocol):
    """What is trained: an nn.Module that knows its own batches and loss.

    A batch is a tuple of tensors of equal length B, so that it can be cut into shards.
    """

    def batch(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """The training pairs of those rows, augmented."""

    def encode(self, batch: Batch) -> Batch:
        """The dear part, row by row: a batch (or a shard of one) -> vectors."""

    def loss(self, vectors: Batch, batch: Batch) -> Tensor:
        """The cheap part, over the whole batch: a scalar to minimise."""


def optimiser(module: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """AdamW over what is trainable; no decay on biases, norms, positions and scales."""
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.lr, betas=schedule.betas)


def step(
    objective: Any,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    lr: float,
    *,
    clip: float = 1.0,
    shards: int = 1,
    pool: Executor | None = None,
    reduce: Callable[[list[Tensor]], None] | None = None,
) -> float:
    """One update; returns the loss.

    The batch is encoded in ``shards``, by the threads of ``pool`` where there is one: torch's own
    threads meet at every operation, and on a busy machine wait for each other longer than they
    work. The loss sees the whole batch all the same. The result does not depend on the pool.

    ``reduce`` gets all gradients between backward and update: a distributed trainer averages
    them there, in place. Raises WeightsError where the loss is not finite: nothing is updated.
    """
    for group in optimiser.param_groups:
        group["lr"] = lr
    optimiser.zero_grad(set_to_none=True)
    run: Callable[..., Any] = map if pool is None else pool.map
    parts = list(zip(*(x.tensor_split(shards) for x in batch), strict=True))
    with plain_attention(batch[0].device):
        outs: list[Batch] = list(run(lambda part: _encode(objective, part), parts))
        leaves = [[x.detach().requires_grad_() for x in out] for out in outs]
        loss: Tensor = objective.loss(
            tuple(torch.cat(xs) for xs in zip(*leaves, strict=True)), batch
        )
        if not torch.isfinite(loss):
            raise WeightsError("training: the loss is not finite; lower the learning rate")
        loss.backward()  # type: ignore[no-untyped-call]
        list(run(_backward, outs, leaves))
    trained = [p for g in optimiser.param_groups for p in g["params"]]
    if reduce is not None:
        reduce([p.grad for p in trained if p.grad is not None])
    nn.utils.clip_grad_norm_(trained, clip)
    optimiser.step()
    return float(loss.detach())


def _encode(objective: Any, part: Batch) -> Batch:
    with half_precision(part[0].device):
        vectors: Batch = objective.encode(part)
    return vectors


def _backward(out: Batch, leaf: list[Tensor]) -> None:
    torch.autograd.backward(out, [x.grad for x in leaf])


def half_precision(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 products where they prove faster there (emulated, they take ten times as long);
    weights, norms and softmax stay float32. Of the calling thread."""
    if not capability.bfloat16_pays(device):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def plain_attention(device: torch.device) -> AbstractContextManager[Any]:
    """Attention as two products and a softmax, for the whole process: torch's fused kernel for
    the CPU spends more than half of a bfloat16 step in its backward pass (torch 2.14, Zen 5:
    0.80 -> 0.51 CPU-s for a batch of 128; float32 1.41). In float32, and on a GPU, it is the
    faster one and stays."""
    if device.type != "cpu" or not capability.bfloat16_pays(device):
        return nullcontext()
    return sdpa_kernel(SDPBackend.MATH)


@dataclass(slots=True)
class Progress:
    """Where a run stands. ``losses`` one value a step; ``cpu_s`` CPU seconds so far."""

    steps: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    cpu_s: float = 0.0


def fit(
    objective: Any,
    n_rows: int,
    schedule: Schedule,
    *,
    resume: Path | None = None,
    save_every_s: float = 60.0,
    report: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Train ``objective`` on rows 0 .. n_rows-1 for ``schedule.steps`` steps.

    With ``resume``, the state is kept in that file every ``save_every_s`` seconds and gone on
    from where the file exists: same batches, same result as a run never stopped. ``objective``
    comes back on the CPU. Raises WeightsError when the file belongs to another schedule or
    model, ConfigError for a device that is not there.
    """
    where = capability.device(schedule.device)
    objective.to(where)
    opt = optimiser(objective, schedule)
    progress = Progress(steps=schedule.steps)
    if resume is not None and resume.exists():
        progress = _load(resume, objective, opt, schedule)
    objective.train()
    saved, cpu = time.monotonic(), time.process_time() - progress.cpu_s
    shards = schedule.shards if where.type == "cpu" else 1  # a GPU needs no second thread
    workers, reader = ThreadPoolExecutor(shards), ThreadPoolExecutor(1)
    # The shards' threads are the parallelism: torch must not start its own below them.
    with capability.one_thread(), workers as pool, reader as ahead:
        coming = ahead.submit(_batch, objective, n_rows, schedule, progress.step)
        while progress.step < schedule.steps:
            batch = coming.result()
            if progress.step + 1 < schedule.steps:
                coming = ahead.submit(_batch, objective, n_rows, schedule, progress.step + 1)
            loss = step(
                objective,
                opt,
                batch,
                schedule.lr_at(progress.step),
                clip=schedule.clip,
                shards=shards,
                pool=pool,
            )
            progress.losses.append(loss)
            progress.step += 1
            progress.cpu_s = time.process_time() - cpu
            report(progress)
            if resume is not None and time.monotonic() - saved > save_every_s:
                _save(resume, objective, opt, schedule, progress)
                saved = time.monotonic()
    if resume is not None:
        _save(resume, objective, opt, schedule, progress)
    objective.eval().to("cpu")
    return progress


def settle_norms(objective: Any, n_rows: int, schedule: Schedule, batches: int = 40) -> None:
    """After training: batch norms' statistics as averages over ``batches`` training batches (no
    more than there were steps)."""
    where = capability.device(schedule.device)

    def encode(n: int) -> Batch:
        with half_precision(where), plain_attention(where):
            vectors: Batch = objective.encode(_batch(objective, n_rows, schedule, -1 - n))
        return vectors

    passes = [partial(encode, n) for n in range(min(batches, schedule.steps))]
    batch_norm.settle(objective.to(where), passes)
    objective.to("cpu")


def _batch(objective: Any, n_rows: int, schedule: Schedule, step: int) -> Batch:
    """Each step draws from its own seed: a run that goes on needs no state of chance. Drawn on the
    CPU whatever the device, so that the pairs are the same."""
    generator = torch.Generator().manual_seed(1_000_003 * schedule.seed + step)
    rows = torch.randint(n_rows, (schedule.batch,), generator=generator)
    place = next(objective.parameters()).device
    return tuple(x.to(place) for x in objective.batch(rows, generator))


def _save(
    path: Path,
    objective: nn.Module,
    opt: torch.optim.Optimizer,
    schedule: Schedule,
    progress: Progress,
) -> None:
    """Whole or not at all: written beside and renamed."""
    state = {
        "schedule": schedule.said(),
        "objective": objective.state_dict(),
        "optimiser": opt.state_dict(),
        "progress": asdict(progress),
    }
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def _load(
    path: Path,
    objective: nn.Module,
    opt: torch.optim.Optimizer,
    schedule: Schedule,
) -> Progress:
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["schedule"] != schedule.said():
        raise WeightsError(
            f"{path}: belongs to another schedule ({state['schedule']}); wanted"
            f" {schedule.said()}: remove it to start again"
        )
    try:
        objective.load_state_dict(state["objective"])
    except RuntimeError as error:
        raise WeightsError(f"{path}: belongs to another model ({error})") from error
    opt.load_state_dict(state["optimiser"])
    return Progress(**state["progress"])
