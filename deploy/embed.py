"""``bindstream embed``: files and words in, how alike they are out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bindstream.types import Array
from encoders.file_embedding import KINDS, Cameras, FileEmbedder, Item
from encoders.imagebind_encoder import ImageBindEncoder

_TEXT_WIDTH = 28


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``embed``."""
    usual = Cameras()
    for kind in KINDS:
        metavar = "WORDS" if kind == "text" else "FILE"
        parser.add_argument(f"--{kind}", action=_Given, dest="given", metavar=metavar)
    parser.set_defaults(given=[])
    parser.add_argument("--weights", help="file or name (default: the shipped small weights)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--json", action="store_true", help="vectors, one object per line")
    cameras = parser.add_argument_group("what files do not say")
    for name, text in {
        "fx_px": "depth: focal length in pixels at native size",
        "baseline_m": "depth: stereo baseline in metres",
        "depth_unit_m": "depth: metres per step of a 16-bit picture",
        "thermal_unit_k": "thermal: kelvin per step of a 16-bit picture",
        "imu_rate_hz": "imu: samples per second in the file",
    }.items():
        option = "--" + name.replace("_", "-")
        value = getattr(usual, name)
        cameras.add_argument(option, type=float, default=value, help=f"{text} ({value:g})")


class _Given(argparse.Action):
    """Keeps files and words in the order in which they were given."""

    def __call__(
        self, _parser: object, args: argparse.Namespace, value: object, option: str | None = None
    ) -> None:
        args.given = [*args.given, ((option or "").removeprefix("--"), value)]


def run(args: argparse.Namespace) -> int:
    """Embed all, print; refuses before loading anything if nothing or a missing file is given."""
    missing = [what for kind, what in args.given if kind != "text" and not Path(what).is_file()]
    if missing or not args.given:
        said = f"no such file: {', '.join(missing)}" if missing else "nothing to embed; see --help"
        print(f"bindstream embed: {said}", file=sys.stderr)
        return 2
    modalities = {KINDS[kind] for kind, _ in args.given}
    encoder = ImageBindEncoder(
        args.weights, modalities=modalities, device=args.device, dtype=args.dtype
    )
    cameras = Cameras(
        args.fx_px, args.baseline_m, args.depth_unit_m, args.thermal_unit_k, args.imu_rate_hz
    )
    embedder = FileEmbedder(encoder, cameras)
    bar = track(args.given, "embedding", console=Console(stderr=True), transient=True)
    items = [embedder.embed(kind, what) for kind, what in bar]
    if args.json:
        for item in items:
            print(json.dumps(_record(item, encoder)))
    else:
        _print_tables(items, encoder)
    return 0


def _record(item: Item, encoder: ImageBindEncoder) -> dict[str, object]:
    return {
        "kind": item.kind,
        "input": item.name,
        "modality": item.modality,
        "space_id": encoder.space_id,
        "encoder_id": encoder.encoder_id,
        "dim": len(item.vector),
        "vector": item.vector.tolist(),
    }


def _print_tables(items: list[Item], encoder: ImageBindEncoder) -> None:
    console = Console()
    vectors = np.stack([item.vector for item in items])
    title = f"cosine, in {encoder.space_id}"
    _print(console, title, items, items, vectors @ vectors.T)
    for rows, columns, shares in comparisons(items):
        title = f"{rows[0].modality} x {columns[0].modality}: softmax over the row"
        _print(console, title, rows, columns, shares)


def comparisons(items: list[Item]) -> list[tuple[list[Item], list[Item], Array]]:
    """Pairs of modalities as ImageBind's README compares them: softmax over the scaled products.

    Everything against the texts, then vision against sound; only where there is a choice.
    """
    groups = {m: [i for i in items if i.modality is m] for m in dict.fromkeys(KINDS.values())}
    text, audio = groups.pop(KINDS["text"]), groups[KINDS["audio"]]
    pairs = [(rows, text) for rows in groups.values()] + [(groups[KINDS["image"]], audio)]
    return [
        (rows, columns, softmax(_scaled(rows) @ _scaled(columns).T))
        for rows, columns in pairs
        if rows and len(columns) > 1
    ]


def softmax(scores: Array) -> Array:
    """Over the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _scaled(items: list[Item]) -> Array:
    return np.stack([item.scaled for item in items])


def _print(
    console: Console, title: str, rows: list[Item], columns: list[Item], values: Array
) -> None:
    table = Table("")
    for item in columns:
        table.add_column(_label(item), justify="right")
    for item, row in zip(rows, values, strict=True):
        table.add_row(_label(item), *(f"{value:.3f}" for value in row))
    console.print(title, highlight=False)
    console.print(table)


def _label(item: Item) -> str:
    name = item.name if item.kind == "text" else Path(item.name).name
    short = name if len(name) <= _TEXT_WIDTH else name[: _TEXT_WIDTH - 1] + "…"
    return f'"{short}"' if item.kind == "text" else short
