"""Control: a sensor bound to the right pictures beside the same sensor bound to shuffled ones.

    python benchmarks/shuffled_pairs.py WORK [--modality thermal] [--steps 300] [--scenes 1000]

WORK is the folder of `bindstream bind --recipe tiny --work WORK`. Both runs take the same steps
from the same start; only the order of the pictures differs. Words must then name nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from rich.table import Table

from bindstream.types import Modality
from deploy import captions, eval_scores
from encoders import bind_recipe, tiny
from encoders.bind_data import Pairs
from encoders.loading import load_encoder


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--modality", default="thermal", choices=[str(m) for m in tiny.SENSORS])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--scenes", type=int, default=1000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    modality = Modality(args.modality)
    pairs = Pairs(args.work / "scenes")
    words, vocabulary = bind_recipe.load_state(args.work / "words.pt"), captions.vocabulary()
    images = bind_recipe.targets(pairs, words, len(vocabulary) + 4, args.work)
    chance = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(1))
    schedule = replace(tiny.SENSORS[modality], steps=args.steps)
    table = Table(title=f"{modality}, {args.steps} steps, {args.scenes} unseen scenes, % right")
    rows: dict[str, list[eval_scores.Score]] = {}
    for name, targets in (("own pictures", images), ("shuffled", images[chance])):
        with TemporaryDirectory() as scratch:
            work = Path(scratch)
            tower = bind_recipe.train_sensor(
                modality, pairs, targets, schedule, work, lambda *_: None
            )
            bind_recipe.write({**words, **tower}, vocabulary, work / "w.safetensors", "a control")
            encoder = load_encoder("imagebind", str(work / "w.safetensors"))
            scores = eval_scores.score(encoder, args.scenes, 0)
        rows[name] = [s for s in scores.words if s.modality is modality]
    table.add_column("bound to")
    for s in rows["own pictures"]:
        table.add_column(f"{s.factor}\n(chance {100 * s.chance:.1f})", justify="right")
    for name, scored in rows.items():
        table.add_row(name, *[f"{100 * s.accuracy:.1f}" for s in scored])
    Console().print(table)


if __name__ == "__main__":
    main()
