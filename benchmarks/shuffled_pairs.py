"""Control: a sensor bound to its own pictures beside the same sensor bound to shuffled ones.

    python -m benchmarks.shuffled_pairs [--modality thermal] [--pairs 4000] [--steps 200]

Fresh scenes, the shipped image tower as the frozen target. Both runs take the same steps from the
same start; only the order of the pictures differs. Bound to shuffled ones, words must name nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from rich.table import Table

from bindstream.types import Modality
from deploy.lab import eval_scores
from deploy.lab import pictures as scenes
from encoders import imagebind
from encoders.bind import adapt, tiny
from encoders.bind.pairs import Pairs
from encoders.bind.train import Schedule
from encoders.loading import load_encoder
from encoders.weights.card import read_card
from encoders.weights.load import read_state
from encoders.weights.saving import save

CARD = read_card(None)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--modality", default="thermal", choices=[str(m) for m in tiny.SENSORS])
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--scenes", type=int, default=1000)
    args = parser.parse_args()
    modality = Modality(args.modality)
    table = Table(title=f"{modality}, {args.steps} steps, {args.scenes} unseen scenes, % right")
    table.add_column("bound to")
    with TemporaryDirectory() as scratch:
        scenes.render(Path(scratch) / "pairs", args.pairs, seed=11)
        pairs = Pairs(Path(scratch) / "pairs")
        vision = imagebind.load(CARD.path, modalities=[Modality.VISION])
        own = adapt.vectors(vision, Modality.VISION, pairs)
        shuffled = own[torch.randperm(len(own), generator=torch.Generator().manual_seed(1))]
        rows = {
            name: _scores(modality, pairs, images, args, Path(scratch))
            for name, images in (("own pictures", own), ("shuffled", shuffled))
        }
    for s in rows["own pictures"]:
        table.add_column(f"{s.factor}\n(chance {100 * s.chance:.1f})", justify="right")
    for name, scored in rows.items():
        table.add_row(name, *[f"{100 * s.accuracy:.1f}" for s in scored])
    Console(width=110).print(table)


def _scores(
    modality: Modality,
    pairs: Pairs,
    images: torch.Tensor,
    args: argparse.Namespace,
    scratch: Path,
) -> list[eval_scores.Score]:
    """Bind from scratch, put the tower into the shipped file, ask by words."""
    schedule = Schedule(steps=args.steps)
    model = imagebind.ImageBind(CARD.config, [modality])
    tower = adapt.adapted(model, modality, pairs, images, "scratch", schedule)
    said = {
        "name": "a control",
        "space_id": CARD.space_id,
        "config": CARD.config.overrides(),
        "windows": tiny.WINDOWS,
        "vocabulary": CARD.vocabulary,
        "front_ends": CARD.front_ends,
    }
    file = scratch / "control.safetensors"
    save(adapt.replaced(read_state(CARD.path), tower), file, said, torch.float16)
    scores = eval_scores.score(load_encoder("imagebind", str(file)), args.scenes, 0)
    return [s for s in scores.words if s.modality is modality]


if __name__ == "__main__":
    main()
