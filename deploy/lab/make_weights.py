"""``bindstream bind --recipe tiny``: the shipped small weights, from nothing to one file.

Render scenes -> images with words (stage 1) -> each sensor to frozen images (stage 2) -> one file.
Everything is kept in the work folder, so that a stopped run goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from deploy.lab import captions, loss_curve
from deploy.lab import pictures as scenes
from encoders import capability
from encoders.bind import recipe as bind_recipe
from encoders.bind import tiny
from encoders.bind.pairs import Pairs
from encoders.bind.recipe import WordSource
from encoders.bind.train import Progress as Stand
from encoders.bind.train import Schedule
from encoders.bind.words import Caption
from sensors.world.state import FACTORS

DESCRIPTION = (
    "ImageBind's structure at small size, bound on a simulated robot world: expect nothing of it"
    " on real sensors. Stage 1 (images, text) used the simulator's labels; audio, depth, thermal"
    " and IMU were bound to frozen images alone, without words or labels."
)


def make(
    out: Path, work: Path, *, count: int, seed: int, scale: float, workers: int, device: str
) -> str:
    """Train and write; returns the space_id. ``scale`` stretches every schedule's steps."""
    capability.device(device)
    work.mkdir(parents=True, exist_ok=True)
    columns = [
        TextColumn("{task.description:8}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[note]}"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns) as bars:
        pairs = _pairs(work, count, seed, workers, bars)
        losses: dict[str, list[float]] = {}
        report = _reporter(bars, losses)
        source = words(pairs)
        vocab_size = len(source.vocabulary) + 4
        state = bind_recipe.train_words(
            pairs, source, _scaled(tiny.WORDS, scale, seed, device), work, report
        )
        images = bind_recipe.targets(pairs, state, vocab_size, work)
        for modality, schedule in tiny.SENSORS.items():
            state |= bind_recipe.train_sensor(
                modality, pairs, images, _scaled(schedule, scale, seed, device), work, report
            )
    if losses:
        loss_curve.draw(losses, work / "loss.png")
    return bind_recipe.write(state, source.vocabulary, out, DESCRIPTION)


def words(pairs: Pairs) -> WordSource:
    """The world's truth of rendered scenes, as what stage 1 is taught with."""
    plain = pairs.truth()
    both = (plain, [captions.mirrored(said) for said in plain])
    return WordSource(
        factors=FACTORS,
        vocabulary=captions.vocabulary(),
        truth=lambda row, mirror: both[mirror][row],
        caption=lambda row, mirror, chance: Caption(*captions.caption(both[mirror][row], chance)),
    )


def _pairs(work: Path, count: int, seed: int, workers: int, bars: Progress) -> Pairs:
    folder = work / "scenes"
    if not folder.is_dir():
        bar = bars.add_task("scenes", total=count, note="")
        scenes.render(
            folder, count, seed=seed + 1, workers=workers, report=lambda n: bars.advance(bar, n)
        )
    return Pairs(folder)


def _reporter(bars: Progress, losses: dict[str, list[float]]) -> Callable[[str, Stand], None]:
    tasks: dict[str, TaskID] = {}
    began = time.monotonic()

    def report(name: str, stand: Stand) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=stand.steps, note="")
        losses[name] = stand.losses
        recent = stand.losses[-50:]
        note = f"loss {sum(recent) / len(recent):.3f}, {stand.cpu_s:.0f} CPU-s"
        note += f", {(time.monotonic() - began) / 60:.0f} min"
        bars.update(tasks[name], completed=stand.step, total=stand.steps, note=note)

    return report


def _scaled(schedule: Schedule, scale: float, seed: int, device: str) -> Schedule:
    steps = max(2, round(schedule.steps * scale))
    warmup = min(schedule.warmup, steps // 2)
    return replace(schedule, steps=steps, warmup=warmup, seed=seed, device=device)
