"""The core of binding: loss, schedule, one step, a loop that can be stopped."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bindstream.errors import ConfigError, WeightsError
from encoders import capability
from encoders.bind import train as bind

SCHEDULE = bind.Schedule(steps=60, batch=32, lr=5e-3, warmup=5)


class Lines(nn.Module):
    """A toy objective: a linear map from 8 numbers to the 4 that they were made from."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.source = torch.randn(200, 4, generator=generator)
        self.seen = self.source @ torch.randn(4, 8, generator=generator)
        torch.manual_seed(seed)
        self.map = nn.Linear(8, 4)
        self.temperature = bind.Temperature()

    def batch(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        noise = 0.01 * torch.randn(len(rows), 8, generator=generator)
        return self.seen[rows] + noise, self.source[rows]

    def encode(self, batch: bind.Batch) -> bind.Batch:
        return (nn.functional.normalize(self.map(batch[0]).float(), dim=-1),)

    def loss(self, vectors: bind.Batch, batch: bind.Batch) -> Tensor:
        source = nn.functional.normalize(batch[1], dim=-1)
        return bind.info_nce(vectors[0], source, self.temperature())


def test_info_nce_is_ln_b_without_knowledge_and_near_nothing_with_it() -> None:
    """Breaks if the diagonal is not the target or one direction is missing."""
    same = torch.ones(16, 4) / 2
    assert bind.info_nce(same, same, torch.tensor(10.0)).item() == pytest.approx(math.log(16))
    own = torch.eye(16)
    assert bind.info_nce(own, own, torch.tensor(50.0)).item() < 1e-6
    assert bind.info_nce(own, own.roll(1, 0), torch.tensor(50.0)).item() > 40


def test_info_nce_is_symmetric() -> None:
    """Breaks if only one of the two cross entropies is taken."""
    left, right = (nn.functional.normalize(torch.randn(8, 4), dim=-1) for _ in range(2))
    scale = torch.tensor(7.0)
    there, back = bind.info_nce(left, right, scale), bind.info_nce(right, left, scale)
    assert there.item() == pytest.approx(back.item(), abs=1e-6)


def test_temperature_is_bounded() -> None:
    """Breaks if the scale can run away above 100 (CLIP's bound)."""
    temperature = bind.Temperature()
    assert temperature().item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        temperature.log_scale.fill_(20.0)
    assert temperature().item() == pytest.approx(100.0)


def test_schedule_warms_up_and_ends_at_nothing() -> None:
    """Breaks if the warm-up or the cosine is off by a step."""
    rates = [SCHEDULE.lr_at(n) for n in range(SCHEDULE.steps)]
    assert rates[0] == pytest.approx(SCHEDULE.lr / 5)
    assert max(rates) == pytest.approx(SCHEDULE.lr)
    assert rates.index(max(rates)) == 4
    assert rates[-1] < 0.01 * SCHEDULE.lr
    assert all(a >= b for a, b in pairwise(rates[5:]))


def test_fit_learns() -> None:
    """Breaks if gradients do not reach the weights."""
    progress = bind.fit(Lines(), 200, SCHEDULE)
    assert progress.step == 60
    assert progress.losses[-1] < 0.5 * progress.losses[0]


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """Breaks if optimiser, generator or step are not kept: a resumed run would differ."""
    whole = Lines()
    bind.fit(whole, 200, SCHEDULE)

    class Stop(Exception):
        pass

    def stop_at_25(progress: bind.Progress) -> None:
        if progress.step == 26:
            raise Stop

    path = tmp_path / "run.pt"
    with pytest.raises(Stop):
        bind.fit(Lines(), 200, SCHEDULE, resume=path, save_every_s=0.0, report=stop_at_25)
    resumed = Lines()
    with torch.no_grad():
        resumed.map.weight.zero_()  # all must come from the file
    progress = bind.fit(resumed, 200, SCHEDULE, resume=path)
    assert progress.step == len(progress.losses) == 60
    assert torch.equal(resumed.map.weight, whole.map.weight)


def test_resume_refuses_another_schedule_or_model(tmp_path: Path) -> None:
    """Breaks if a stale file silently decides what is trained."""
    path = tmp_path / "run.pt"
    bind.fit(Lines(), 200, replace(SCHEDULE, steps=2), resume=path)
    with pytest.raises(WeightsError, match="another schedule"):
        bind.fit(Lines(), 200, replace(SCHEDULE, steps=3), resume=path)
    other = Lines()
    other.map = nn.Linear(8, 5)
    with pytest.raises(WeightsError, match="another model"):
        bind.fit(other, 200, replace(SCHEDULE, steps=2), resume=path)


def test_step_hands_out_gradients_before_the_update() -> None:
    """Breaks if a distributed trainer's average would come too late or miss a tensor."""
    lines = Lines()
    before = lines.map.weight.detach().clone()
    seen: list[int] = []

    def nothing_left(gradients: list[Tensor]) -> None:
        seen.append(len(gradients))
        for gradient in gradients:
            gradient.zero_()

    flat = bind.Schedule(steps=1, weight_decay=0.0)
    batch = lines.batch(torch.arange(32), torch.Generator())
    bind.step(lines, bind.optimiser(lines, flat), batch, 0.1, reduce=nothing_left)
    assert seen == [3]  # weight, bias, temperature
    assert torch.equal(lines.map.weight, before)


def test_shards_and_threads_change_nothing_that_is_learned() -> None:
    """Breaks if a shard's negatives are only its own rows, or a gradient is lost between
    threads."""
    trained = []
    for shards, pool in ((1, None), (2, None), (3, ThreadPoolExecutor(3))):
        lines = Lines()
        opt = bind.optimiser(lines, SCHEDULE)
        for _ in range(5):
            batch = lines.batch(torch.arange(48), torch.Generator().manual_seed(1))
            bind.step(lines, opt, batch, 0.01, shards=shards, pool=pool)
        trained.append(lines.map.weight.detach())
    # Products of bfloat16: sums of another order differ in the last of eight bits.
    assert torch.allclose(trained[0], trained[1], atol=2e-3)
    assert torch.allclose(trained[0], trained[2], atol=2e-3)


def test_step_refuses_a_loss_that_is_not_finite() -> None:
    """Breaks if NaN is written into the weights."""
    lines = Lines()
    before = lines.map.weight.detach().clone()
    batch = (torch.full((4, 8), math.nan), torch.ones(4, 4))
    with pytest.raises(WeightsError, match="not finite"):
        bind.step(lines, bind.optimiser(lines, SCHEDULE), batch, 0.1)
    assert torch.equal(lines.map.weight, before)


class Logged(Lines):
    """Lines that tell in which number format they were multiplied, and with which attention."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_in: set[tuple[torch.dtype, bool]] = set()

    def encode(self, batch: bind.Batch) -> bind.Batch:
        fused = torch.backends.cuda.flash_sdp_enabled()  # the switch of all devices
        self.seen_in.add((self.map(batch[0]).dtype, fused))
        return super().encode(batch)


@pytest.mark.parametrize("pays", [True, False])
def test_products_are_bfloat16_only_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, pays: bool
) -> None:
    """Breaks if a processor that emulates bfloat16 trains ten times as long as it must."""
    monkeypatch.setattr(capability, "bfloat16_pays", lambda where: pays)
    lines = Logged()
    short = replace(SCHEDULE, steps=2)
    bind.fit(lines, 200, short)
    bind.settle_norms(lines, 200, short)
    assert lines.seen_in == {(torch.bfloat16 if pays else torch.float32, not pays)}


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Breaks if a training on another device starts here instead, or in a traceback."""
    with pytest.raises(ConfigError, match="device 'cuda:63': not on this machine"):
        bind.fit(Lines(), 200, replace(SCHEDULE, device="cuda:63"))
    path = tmp_path / "run.pt"
    bind.fit(Lines(), 200, replace(SCHEDULE, steps=2), resume=path)
    elsewhere = replace(SCHEDULE, steps=2, device="auto")
    assert bind.fit(Lines(), 200, elsewhere, resume=path).step == 2  # the place is no schedule


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_learns_the_same() -> None:
    """Breaks if a tensor stays behind on the CPU, or what comes back is not there."""
    here, there = Lines(), Lines()
    bind.fit(here, 200, SCHEDULE)
    bind.fit(there, 200, replace(SCHEDULE, device="cuda"))
    assert there.map.weight.device.type == "cpu"
    assert torch.allclose(here.map.weight, there.map.weight, atol=0.05)
