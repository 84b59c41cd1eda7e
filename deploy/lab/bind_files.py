"""``bindstream bind PAIRS``: a sensor, from paired files, into the space of given weights."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from rich.progress import Progress

from bindstream.types import DepthMeta, Meta, Modality
from deploy.config import near_depth
from deploy.lab import loss_curve, paired_files
from encoders import capability
from encoders.bind import adapt
from encoders.bind import inputs as bind_inputs
from encoders.bind.inputs import Rows
from encoders.bind.pairs import Pairs
from encoders.bind.train import Progress as Stand
from encoders.bind.train import Schedule
from encoders.imagebind.front_end_formats import FrontEnds
from encoders.weights.card import Card, read_card

_LEAST = 40
_HELD_EVERY = 5
"""Every fifth moment is kept out of training, to measure with."""


def run(args: argparse.Namespace, out: Path) -> int:
    """Read, train, measure, write; print recall before and after."""
    from bindstream.errors import ConfigError

    capability.device(args.device)  # refused before an hour of reading
    card, modality = read_card(args.weights), Modality(args.modality)
    names = paired_files.moments(args.pairs, [Modality.VISION, modality])
    if len(names) < _LEAST:
        raise ConfigError(f"{args.pairs}: wants at least {_LEAST} moments, got {len(names)}")
    if modality is Modality.DEPTH:
        _, first = next(paired_files.read(args.pairs, modality, names[:1]))
        card = depth_settings(card, first.meta, args.nearest_m)
    warmup = min(20, args.steps // 2)
    schedule = Schedule(args.steps, args.batch, args.lr, warmup, seed=args.seed, device=args.device)
    losses: list[float] = []
    with tempfile.TemporaryDirectory() as scratch, Progress() as bars:
        train, held = _pairs(Path(scratch), args.pairs, names, modality, card, bars)
        task = bars.add_task(f"{modality} by {args.how}", total=args.steps)

        def report(stand: Stand) -> None:
            losses[:] = stand.losses
            bars.update(task, completed=stand.step)

        outcome = adapt.bind_sensor(
            card, modality, train, held, out, args.how, schedule, rank=args.rank, report=report
        )
    loss_curve.draw({str(modality): losses}, out.with_suffix(".png"))
    _print(args.json, out, len(held), outcome)
    return 0


def _pairs(
    scratch: Path, folder: Path, names: list[str], modality: Modality, card: Card, bars: Progress
) -> tuple[Pairs, Pairs]:
    """Model-ready rows: most to train on, every fifth to measure with."""
    rows = Rows(card)
    held = [n for n in range(len(names)) if n % _HELD_EVERY == _HELD_EVERY - 1]
    task = bars.add_task("reading", total=2 * len(names))
    parts = {"held": held, "train": sorted(set(range(len(names))) - set(held))}
    for part, chosen in parts.items():
        kinds = [Modality.VISION, modality]
        bind_inputs.create(scratch / part, rows, kinds, len(chosen))
        for kind in kinds:
            array = np.load(scratch / part / f"{kind}.npy", mmap_mode="r+")
            windows = paired_files.read(folder, kind, [names[n] for n in chosen])
            for place, (file, window) in enumerate(windows):
                array[place] = rows(window, file)
                bars.advance(task)
    return Pairs(scratch / "train"), Pairs(scratch / "held")


def depth_settings(card: Card, meta: Meta, nearest_m: float | None) -> Card:
    """The card with the depth settings of the camera that is bound: a bound file carries its own.

    ``nearest_m`` None: as the weights have them, with a warning where they are blind nearby.
    """
    fmt = FrontEnds.of(card.front_ends).depth
    if not isinstance(meta, DepthMeta):
        return card
    if nearest_m is None:
        if fmt.nearest_m(meta.fx_px, meta.baseline_m) > near_depth.USUAL_NEAREST_M:
            said = near_depth.blind(card.name, fmt, meta.fx_px, meta.baseline_m)
            print(f"bindstream bind: {said}", file=sys.stderr)
        return card
    settings = asdict(fmt.reaching(nearest_m, meta.fx_px, meta.baseline_m))
    return replace(card, front_ends=card.front_ends | {"depth": settings})


def _print(as_json: bool, out: Path, count: int, outcome: adapt.Outcome) -> None:
    said = {
        "weights": str(out),
        "moments": count,
        "recall_at_1_before": outcome.before[0],
        "recall_at_10_before": outcome.before[1],
        "recall_at_1": outcome.after[0],
        "recall_at_10": outcome.after[1],
    }
    if as_json:
        print(json.dumps(said))
        return
    print(
        f"finds its own picture among {min(200, count)} (kept out of training), % at 1 and at 10:"
    )
    for name, (at_1, at_10) in zip(("before", "after"), outcome, strict=True):
        print(f"  {name:7}{100 * at_1:6.1f}{100 * at_10:7.1f}")
    print(f"{out}: written; its loss curve: {out.with_suffix('.png')}")
