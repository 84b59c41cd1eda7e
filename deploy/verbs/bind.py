"""``bindstream bind``: train. Three uses, one verb.

* ``bind PAIRS --modality thermal --out F``: a sensor of your own, from a folder of paired files,
  into the space of loaded weights (``--weights``), by its head, by LoRA or from scratch.
* ``bind --write-pairs DIR``: paired files from the simulated world, to try that.
* ``bind --recipe tiny --out F``: the shipped small weights again, from nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bindstream.command.parser import one_or_more, positive
from bindstream.errors import ConfigError
from bindstream.types import SENSED

_SENSORS = [str(m) for m in SENSED if m != "vision"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("pairs", nargs="?", type=Path, help="a folder of paired files")
    parser.add_argument("--modality", choices=_SENSORS, help="the sensor to bind")
    parser.add_argument("--weights", help="whose space to join; default: bindstream_tiny")
    parser.add_argument("--how", choices=("head", "lora", "scratch"), default="lora")
    parser.add_argument("--rank", type=one_or_more, default=8, help="of LoRA; default 8")
    parser.add_argument("--steps", type=one_or_more, default=300, help="updates; default 300")
    parser.add_argument(
        "--batch", type=one_or_more, default=64, help="pairs per update; default 64"
    )
    parser.add_argument("--lr", type=positive, default=1e-3, help="highest learning rate")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, auto")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the weights file to write")
    parser.add_argument(
        "--nearest-m", type=float, metavar="M", help="depth: tell apart down to M metres"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one object at the end")
    made = parser.add_argument_group("from the simulated world")
    made.add_argument("--write-pairs", type=Path, metavar="DIR", help="write paired files there")
    made.add_argument(
        "--odd", action="store_true", help="... from a sensor mounted and scaled oddly"
    )
    made.add_argument("--recipe", choices=("tiny",), help="train the small weights from nothing")
    made.add_argument("--scenes", type=one_or_more, help="default: 1500 pairs; recipe: 24000")
    made.add_argument("--work", type=Path, metavar="DIR", help="of the recipe; kept, resumed")
    made.add_argument(
        "--workers", type=one_or_more, default=2, help="processes that render; default 2"
    )
    made.add_argument("--shorten", type=positive, default=1.0, help="recipe: times all steps")


def run(args: argparse.Namespace) -> int:
    """Do the one thing that was asked for."""
    if args.recipe:
        return _recipe(args)
    if args.write_pairs:
        return _write_pairs(args)
    return _bind(args)


def _recipe(args: argparse.Namespace) -> int:
    out = _out(args)
    from deploy.lab import make_weights
    from encoders.bind import tiny

    space_id = make_weights.make(
        out,
        args.work or out.with_suffix(".work"),
        count=args.scenes or tiny.N_SCENES,
        seed=args.seed,
        scale=args.shorten,
        workers=args.workers,
        device=args.device,
    )
    print(f"{out}: {space_id}")
    return 0


def _write_pairs(args: argparse.Namespace) -> int:
    from deploy.lab import write_pairs

    count = args.scenes or 1500
    write_pairs.write(args.write_pairs, count, args.seed, args.modality, odd=args.odd)
    print(f"{args.write_pairs}: {count} moments")
    return 0


def _bind(args: argparse.Namespace) -> int:
    if args.pairs is None or args.modality is None:
        raise ConfigError(
            "bind wants a folder of paired files and --modality, or --write-pairs, or --recipe"
        )
    if not args.pairs.is_dir():
        raise ConfigError(
            f"{args.pairs}: no such folder; 'bindstream bind --write-pairs' makes one"
        )
    if args.nearest_m is not None and (args.modality != "depth" or not 0 < args.nearest_m <= 50):
        raise ConfigError("--nearest-m wants metres above 0, up to 50, with --modality depth")
    out = _out(args)
    from deploy.lab import bind_files

    return bind_files.run(args, out)


def _out(args: argparse.Namespace) -> Path:
    if args.out is None or args.out.suffix != ".safetensors":
        raise ConfigError(f"--out wants a file that ends in .safetensors, got {args.out}")
    out: Path = args.out
    return out
