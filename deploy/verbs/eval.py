"""``bindstream eval``: what a weights file can tell, on scenes of the simulated world never seen.

Scenes go through the same front ends and fast path that serve. ``emergent`` marks what was never
trained together: every sensor but the camera was bound to images alone, never to a word.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bindstream.command.parser import one_or_more, positive
from bindstream.command.sheet import Column, hanging, plain, table, terminal_width
from bindstream.errors import ConfigError
from deploy.lab.eval_scores import Score, Scores, score
from sensors.world.observations import SPLITS

_LEAST_SCENES = 20
_FOOTNOTE = (
    "In brackets: a sensor that cannot see the factor (a control; chance is right)."
    " All but vision is emergent."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--weights", help="a file or a name; default: the shipped bindstream_tiny")
    parser.add_argument(
        "--scenes", type=one_or_more, default=1000, metavar="N", help="default 1000"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the scenes")
    parser.add_argument(
        "--split",
        choices=SPLITS[1:],
        default="test",
        help="test: unseen draws and textures; held_out: also combinations never trained on",
    )
    parser.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "bfloat16"), help="default auto"
    )
    parser.add_argument("--picture", type=Path, metavar="PNG", help="also draw heat maps there")
    parser.add_argument("--json", action="store_true", help="one object per line")
    parser.add_argument(
        "--live",
        type=Path,
        metavar="CONFIG",
        help="follow the running robot of this configuration instead of rendering scenes",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=300.0,
        metavar="N",
        help="how long to follow; default 300",
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate and print."""
    if args.live is not None:
        return _follow(args)
    if args.scenes < _LEAST_SCENES:
        raise ConfigError(f"--scenes wants at least {_LEAST_SCENES}, got {args.scenes}")
    from encoders.loading import load_encoder

    encoder = load_encoder("imagebind", args.weights, dtype=args.dtype)
    scores = score(encoder, args.scenes, args.seed, args.split, show=not args.json)
    if args.json:
        for line in lines(scores):
            print(json.dumps(line))
    else:
        _print_tables(scores, f"{encoder.space_id}, {args.scenes} scenes, split {args.split}")
    if args.picture is not None:
        from deploy.lab import heat_map

        heat_map.draw(scores, args.picture)
        print(f"heat maps: {args.picture}", file=sys.stderr)
    return 0


def _follow(args: argparse.Namespace) -> int:
    from deploy.config.file import load
    from deploy.lab import eval_live

    followed = eval_live.follow(load(args.live), args.seconds)
    if args.json:
        for score in followed:
            print(json.dumps(eval_live.record(score)))
    else:
        eval_live.print_table(followed)
    return 0


def lines(scores: Scores) -> Iterator[dict[str, Any]]:
    """The objects of ``--json``: shares from 0 to 1."""
    for s in scores.words:
        yield {
            "modality": str(s.modality),
            "factor": s.factor,
            "accuracy": round(s.accuracy, 4),
            "chance": round(s.chance, 4),
            "emergent": s.emergent,
        }
    for r in scores.recalls:
        yield {
            "query": r.query,
            "gallery": r.gallery,
            "recall_at_1": round(r.at_1, 4),
            "recall_at_10": round(r.at_10, 4),
        }


def _print_tables(scores: Scores, title: str) -> None:
    print(title)
    _print("Named by words, % right (by chance)", *_by_words(scores))
    size = scores.gallery
    _print(f"Counterpart found first among {size}, %", *_recalls(scores, 1))
    _print(f"Counterpart among the first 10 of {size}, %", *_recalls(scores, 10))
    print("", hanging("", _FOOTNOTE, terminal_width()), sep="\n")


def _print(title: str, columns: list[Column], rows: list[list[str]]) -> None:
    print("", title, *plain(table(columns, rows, terminal_width())), sep="\n")


def _by_words(scores: Scores) -> tuple[list[Column], list[list[str]]]:
    factors = list(dict.fromkeys(s.factor for s in scores.words))
    chances = {s.factor: s.chance for s in scores.words}
    columns = [Column(f"{f} ({100 * chances[f]:.1f})", figure=True) for f in factors]
    by_cell = {(s.modality, s.factor): s for s in scores.words}
    sensors = dict.fromkeys(s.modality for s in scores.words)
    rows = [[str(m), *(_share(by_cell[m, f]) for f in factors)] for m in sensors]
    return [Column("sensor"), *columns], rows


def _share(s: Score) -> str:
    text = f"{100 * s.accuracy:.1f}"
    return text if s.visible else f"({text})"


def _recalls(scores: Scores, k: int) -> tuple[list[Column], list[list[str]]]:
    galleries = list(dict.fromkeys(r.gallery for r in scores.recalls))
    shares = {(r.query, r.gallery): r.at_1 if k == 1 else r.at_10 for r in scores.recalls}
    rows = [
        [query, *(f"{100 * shares[query, g]:.1f}" if g != query else "" for g in galleries)]
        for query in dict.fromkeys(r.query for r in scores.recalls)
    ]
    return [Column("query"), *(Column(g, figure=True) for g in galleries)], rows
