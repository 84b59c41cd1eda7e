"""``bindstream weights fetch|verify|convert``: get, check and shrink a weights file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bindstream.errors import WeightsError
from bindstream.formats import to_plain
from encoders.imagebind import vocabulary
from encoders.imagebind.offer import lacking
from encoders.weights import fetch as download
from encoders.weights import integrity
from encoders.weights.card import OFFICIAL, Card, read_card, resolve
from encoders.weights.fingerprint import cache_dir, hash_file


def arguments(parser: argparse.ArgumentParser) -> None:
    """The three commands and their options."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="fetch|verify|convert")
    fetch = verbs.add_parser("fetch", help="download imagebind_huge (4.8 GB, not for commerce)")
    fetch.add_argument("--to", type=Path, help="file to write (default: the user's cache folder)")
    fetch.add_argument("--vocabulary", action="store_true", help="only CLIP's (1.4 MB): its words")
    fetch.add_argument("--url", help="where from (default: Meta's server; the vocabulary: GitHub)")
    fetch.add_argument("--sha256", help="hash that it must have; 'none': do not check")
    fetch.add_argument("--accept-licence", action="store_true", help="do not ask")
    verify = verbs.add_parser("verify", help="say what a file holds, and its hash")
    verify.add_argument("weights", nargs="?", help="file or name (default: the shipped weights)")
    verify.add_argument("--sha256", help="fail unless the file has this hash")
    verify.add_argument("--json", action="store_true", help="one object")
    convert = verbs.add_parser("convert", help="write a safetensors file that loads faster")
    convert.add_argument("weights", help="file or name")
    convert.add_argument("to", type=Path, help="the .safetensors file to write")
    convert.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))


def run(args: argparse.Namespace) -> int:
    """0 fine, 1 the file is not what it should be."""
    return {"fetch": _fetch, "verify": _verify, "convert": _convert}[args.what](args)


def _fetch(args: argparse.Namespace) -> int:
    steps = [_fetch_vocabulary] if args.vocabulary else [_fetch_weights]
    if not args.vocabulary and args.url is None:  # the official file: its words need one too
        steps.append(_fetch_vocabulary)
    try:
        return next((code for code in (step(args) for step in steps) if code), 0)
    except WeightsError as error:
        print(f"bindstream weights fetch: {error}", file=sys.stderr)
        return 1


def _fetch_weights(args: argparse.Namespace) -> int:
    target = args.to or cache_dir() / f"{OFFICIAL}.pth"
    official = download.SHA256 if args.url is None else None
    sha256 = None if args.sha256 == "none" else args.sha256 or official
    if target.is_file():
        if args.sha256 != "none":
            download.check_present(target, sha256)
        print(f"{target} is there already; 'bindstream weights verify {target}' checks it")
        return 0
    print(download.LICENCE, file=sys.stderr)
    if not (args.accept_licence or _accepted()):
        print("not fetched: --accept-licence, or an answer of 'yes', is needed", file=sys.stderr)
        return 2
    _download(args.url or download.URL, target, sha256)
    return 0


def _fetch_vocabulary(args: argparse.Namespace) -> int:
    if not args.vocabulary and vocabulary.packaged():
        return 0
    target = vocabulary.fetched()
    if target.is_file():
        download.check_present(target, vocabulary.SHA256)
        print(f"{target} is there already")
        return 0
    url = args.url if args.vocabulary else None
    _download(url or vocabulary.URL, target, vocabulary.SHA256)
    return 0


def _download(url: str, target: Path, sha256: str | None) -> None:
    with _bar("fetching") as bar:
        task = bar.add_task("fetching", total=None)
        download.fetch(
            url, target, sha256, lambda n, all_: bar.update(task, completed=n, total=all_)
        )
    print(target)


def _accepted() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Do you accept? [yes/no] ").strip().lower() in ("yes", "y")


def _verify(args: argparse.Namespace) -> int:
    path = resolve(args.weights)
    card = read_card(path)
    with _bar("hashing") as bar:
        task = bar.add_task("hashing", total=path.stat().st_size)
        sha256 = hash_file(path, lambda n: bar.advance(task, n))  # now: no memory is believed
    faults = _faults(card, sha256, args.sha256)
    report = _report(card, sha256) | {"fine": not faults}
    if args.json:
        print(json.dumps(report))
    else:
        print("\n".join(f"{key:12}{_shown(value)}" for key, value in report.items()))
    for fault in faults:
        print(f"bindstream weights verify: {path}: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{m} {_window(**window)}" for m, window in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _window(length_s: float | None = None, frames: int = 1, **_: Any) -> str:
    span = "newest frame" if length_s is None else f"{length_s:g} s"
    return f"{span} ({frames} frames)" if frames > 1 else span


def _report(card: Card, sha256: str) -> dict[str, Any]:
    return {
        "path": str(card.path),
        "name": card.name,
        "space_id": _space(card),
        "modalities": sorted(card.modalities),
        "dim": card.dim,
        "windows": to_plain(card.windows),
        "bytes": card.path.stat().st_size,
        "sha256": sha256,
        "official": sha256 == download.SHA256,
        "licence": card.licence,
    }


def _space(card: Card) -> str:
    from encoders.weights.load import space_id

    try:
        return space_id(card)
    except WeightsError:  # said among the faults
        return card.space_id


def _faults(card: Card, sha256: str, wanted: str | None) -> list[str]:
    """What is wrong: a hash, keys and shapes that do not make the model, words that it cannot
    read on this machine."""
    from encoders.weights.load import load_model

    faults = []
    if wanted is not None and sha256 != wanted.lower():
        faults.append(f"its SHA-256 is {sha256}, wanted {wanted}")
    try:
        integrity.verify(card, again=True)
        load_model(card.path, card.config, card.modalities)
    except WeightsError as error:
        faults.append(str(error).removeprefix(f"{card.path}: "))
    return [*faults, *lacking(card).values()]


def _convert(args: argparse.Namespace) -> int:
    from encoders.weights.convert import convert

    source = resolve(args.weights)
    with _bar("writing") as bar:
        task = bar.add_task("writing", total=None)
        convert(
            source, args.to, args.dtype, lambda n, all_: bar.update(task, completed=n, total=all_)
        )
    print(f"{args.to}: {args.to.stat().st_size:,} bytes, {read_card(args.to).space_id}")
    return 0


@contextmanager
def _bar(text: str) -> Iterator[Progress]:
    """A progress bar on stderr, so that what is printed stays clean."""
    columns = (
        TextColumn(text),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar
