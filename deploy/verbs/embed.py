"""``bindstream embed``: files and words in, how alike they are out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bindstream.command.parser import between
from bindstream.errors import InvalidInput
from bindstream.imu import ACCEL_UNITS, AXES, GYRO_UNITS
from deploy.verbs.alike import comparisons as comparisons
from deploy.verbs.alike import show
from deploy.verbs.folders import files_of
from encoders.files.embed import KINDS, Cameras, FileEmbedder, Item
from encoders.files.imu import FASTEST_HZ, SLOWEST_HZ, Stated
from encoders.imagebind.encoder import ImageBindEncoder

_SAID: dict[str, tuple[Callable[[str], float], str]] = {
    "fx_px": (between(1.0, 1e5), "depth: focal length in pixels at native size (518.86)"),
    "baseline_m": (between(1e-4, 10.0), "depth: stereo baseline in metres (0.075)"),
    "depth_unit_m": (
        between(1e-6, 10.0),
        "depth: metres per step (0.001 for whole numbers, 1 for floats)",
    ),
    "depth_invalid": (int, "depth: the count that means nothing was measured (65535)"),
    "thermal_unit_k": (
        between(1e-5, 10.0),
        "thermal: kelvin per step (0.01 for whole numbers, 1 for floats)",
    ),
    "thermal_offset_k": (between(-1000.0, 1000.0), "thermal: kelvin to add (0; of Celsius 273.15)"),
    "imu_rate_hz": (
        between(SLOWEST_HZ, FASTEST_HZ),
        "imu: samples per second (by its time column; without one 400)",
    ),
    "video_rate_hz": (
        between(0.01, 1000.0),
        "video: its true frames per second, where its header lies",
    ),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``embed``."""
    for kind in KINDS:
        metavar = "WORDS" if kind == "text" else "FILE"
        what = "" if kind == "text" else "files, or folders of them"
        parser.add_argument(
            f"--{kind}", action=_Given, dest="given", nargs="+", metavar=metavar, help=what
        )
    parser.set_defaults(given=[])
    parser.add_argument("--weights", help="file or name (default: the shipped small weights)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--json", action="store_true", help="vectors, one object per line")
    cameras = parser.add_argument_group("what files do not say")
    for name, (kind_of, text) in _SAID.items():
        cameras.add_argument("--" + name.replace("_", "-"), type=kind_of, help=text)
    cameras.add_argument(
        "--thermal-rows", type=_rows, metavar="N|FIRST:END", help="thermal: lines that are picture"
    )
    cameras.add_argument(
        "--imu-unit",
        type=_imu_units,
        default=(None, None),
        metavar="UNIT[,UNIT]",
        help=f"imu: {', '.join([*ACCEL_UNITS, *GYRO_UNITS])}; such as g,deg/s (m/s2,rad/s)",
    )
    cameras.add_argument(
        "--imu-columns",
        type=_imu_columns,
        metavar="NAMES",
        help=f"imu: all columns in order: {','.join(AXES)}, t (time), others are passed over",
    )


class _Given(argparse.Action):
    """Keeps files and words in the order in which they were given."""

    def __call__(
        self,
        _parser: object,
        args: argparse.Namespace,
        values: str | Sequence[object] | None,
        option: str | None = None,
    ) -> None:
        kind = (option or "").removeprefix("--")
        args.given = [*args.given, *((kind, value) for value in values or ())]


def _rows(text: str) -> tuple[int, int]:
    first, colon, end = text.rpartition(":")
    try:
        rows = (int(first or 0), int(end)) if colon else (0, int(end))
        if 0 <= rows[0] < rows[1]:
            return rows
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"wants a count of lines or FIRST:END, got '{text}'")


def _imu_units(text: str) -> tuple[str | None, str | None]:
    accel = gyro = None
    for unit in text.split(","):
        if unit in ACCEL_UNITS and accel is None:
            accel = unit
        elif unit in GYRO_UNITS and gyro is None:
            gyro = unit
        else:
            known = ", ".join([*ACCEL_UNITS, *GYRO_UNITS])
            raise argparse.ArgumentTypeError(
                f"wants one or two of {known} (such as g,deg/s), got '{text}'"
            )
    return accel, gyro


def _imu_columns(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if any(names.count(axis) != 1 for axis in AXES):
        raise argparse.ArgumentTypeError(
            f"wants {', '.join(AXES)} once each (and t for time), got '{text}'"
        )
    return names


def run(args: argparse.Namespace) -> int:
    """Embed all, print; refuses before loading anything if nothing or a missing file is given.

    A file that cannot be read is named, and the others go on: 1 at the end, or 2 if none could be.
    """
    given = [
        (kind, what)
        for kind, named in args.given
        for what in ([named] if kind == "text" else files_of(kind, named))
    ]
    missing = [_absent(what) for kind, what in given if kind != "text" and not Path(what).is_file()]
    if missing or not given:
        said = "; ".join(missing) or "nothing to embed; see --help"
        print(f"bindstream embed: {said}", file=sys.stderr)
        return 2
    modalities = {KINDS[kind] for kind, _ in given}
    encoder = ImageBindEncoder(
        args.weights, modalities=modalities, device=args.device, dtype=args.dtype
    )
    items = []
    for item in _embedded(FileEmbedder(encoder, _cameras(args)), given):
        items.append(item)
        if args.json:
            print(json.dumps(_record(item, encoder)), flush=True)
    if items and not args.json:
        show(items, encoder.space_id)
    if len(items) == len(given):
        return 0
    return 1 if items else 2


def _absent(what: str) -> str:
    return f"{'no plain file' if Path(what).exists() else 'no such file'}: {what}"


def _embedded(embedder: FileEmbedder, given: list[tuple[str, str]]) -> Iterator[Item]:
    """What can be embedded, as it comes; what cannot is named on stderr."""
    console = Console(stderr=True)
    quiet = not console.is_terminal
    bar = track(given, "embedding", console=console, transient=True, disable=quiet)
    for kind, what in bar:
        try:
            yield embedder.embed(kind, what)
        except InvalidInput as error:
            print(f"bindstream embed: {error}", file=sys.stderr)


def _cameras(args: argparse.Namespace) -> Cameras:
    said = {name: value for name in _SAID if (value := getattr(args, name)) is not None}
    accel_unit, gyro_unit = args.imu_unit
    stated = Stated(accel_unit, gyro_unit, args.imu_columns)
    return Cameras(**said, thermal_rows=args.thermal_rows, imu=stated)


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
