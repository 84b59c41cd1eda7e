"""What an index costs: one recording of the simulated robot by one and by two workers, and killed.

    python -m benchmarks.index [--seconds N] [--kills N] [--file F] [--huge]

Prints a table: windows, wall time, the share of their time in which the workers encoded. Then it is
killed at random moments and resumed, and its rows must be the same. ``--huge``: sound and depth
alone, at imagebind_huge's sizes with random weights, a few windows, without kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as parquet
import yaml

from benchmarks._drive import record
from bindstream.types import SENSED, Modality
from deploy.config.file import shipped_path
from deploy.index.parts import vectors_of

HUGE = (Modality.AUDIO, Modality.DEPTH)
HUGE_S = 40.0


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the recording is")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--file", type=Path, help="this recording, instead of one that is made")
    parser.add_argument("--huge", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds, seconds = (HUGE, HUGE_S) if args.huge else (SENSED, args.seconds)
        begun_s = time.monotonic()
        file = args.file or record(folder / "drive.mcap", seconds, kinds)
        size_mb, made_s = file.stat().st_size / 1e6, time.monotonic() - begun_s
        print(f"{seconds:g} s of {len(kinds)} streams, {size_mb:.0f} MB, made in {made_s:.0f} s\n")
        config = huge_config(folder) if args.huge else shipped_path()
        took_s = compared(folder, file, config)
        if args.kills and not args.huge:
            killed(folder, file, config, args.kills, took_s)


def compared(folder: Path, file: Path, config: Path) -> float:
    """Both numbers of workers; returns how long one took."""
    print("| workers | windows | wall s | windows per s | of it encoding |\n|---|---|---|---|---|")
    told = {n: indexed(folder / f"by{n}", file, config, n) for n in (1, 2)}
    for n, one in told.items():
        rate = one["encoded"] / one["seconds"]
        busy = 100 * one["encoding"]
        print(f"| {n} | {one['encoded']} | {one['seconds']:.1f} | {rate:.1f} | {busy:.1f} % |")
    same(folder / "by1", folder / "by2")
    ratio = told[1]["seconds"] / told[2]["seconds"]
    print(f"\nThe same rows. Wall time by one worker over that by two: {ratio:.2f}")
    return float(told[1]["seconds"])


def killed(folder: Path, file: Path, config: Path, kills: int, took_s: float) -> None:
    """At random moments, then to the end."""
    chance, out = random.Random(0), folder / "killed"
    for _ in range(kills):
        process = started(out, file, config, 1)
        try:
            process.wait(chance.uniform(0.2, 0.6) * took_s)
        except subprocess.TimeoutExpired:
            below = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.communicate()
            psutil.wait_procs(below, timeout=30)
        print(f"killed with {len(list(out.glob('embeddings/*.parquet')))} parts whole")
    last = indexed(out, file, config, 1)
    same(folder / "by1", out)
    print(f"{kills} kills: the same rows; the last start encoded {last['encoded']} windows")


def indexed(out: Path, file: Path, config: Path, workers: int) -> dict[str, Any]:
    """Its summary."""
    process = started(out, file, config, workers)
    told, complaints = process.communicate()
    if process.returncode:
        raise SystemExit(complaints)
    summary: dict[str, Any] = json.loads(told.splitlines()[-1])
    return summary


def started(out: Path, file: Path, config: Path, workers: int) -> subprocess.Popen[str]:
    """The command, as a user types it."""
    command = [sys.executable, "-m", "bindstream.command.cli", "index", str(file), "--json"]
    command += ["--out", str(out), "--config", str(config), "--workers", str(workers)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=dict(os.environ), **pipes)


def same(one: Path, other: Path) -> None:
    """Raises SystemExit where two folders differ in a row."""
    for a, b in zip(*map(rows, (one, other)), strict=True):
        if a != b:
            raise SystemExit(f"{one} and {other} differ: {a[:3]} and {b[:3]}")


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """In order: stream, seq, times, and the vector's bytes."""
    table = parquet.read_table(folder / "embeddings")
    table = table.sort_by([("stream", "ascending"), ("seq", "ascending")])
    columns = [table[name].to_pylist() for name in ("stream", "seq", "start_ns", "end_ns")]
    return list(zip(*columns, (v.tobytes() for v in vectors_of(table)), strict=True))


def huge_config(folder: Path) -> Path:
    """Random weights of imagebind_huge's towers of sound and depth."""
    from encoders.imagebind.config import ImageBindConfig
    from encoders.imagebind.model import ImageBind
    from encoders.weights.saving import save

    weights = folder / "huge.safetensors"
    said = {"name": "random_huge", "space_id": "random_huge:0", "config": {}, "licence": "none"}
    save(ImageBind(ImageBindConfig(), HUGE).state_dict(), weights, said)
    document = yaml.safe_load(shipped_path().read_text())
    apps = {app["name"]: app for app in document["applications"]}
    apps["encoder"]["args"]["weights"] = str(weights)
    apps["robot"]["deployments"][0]["user_config"] = {}
    document["applications"] = [apps["encoder"], apps["ears"], apps["depth"], apps["robot"]]
    path = folder / "ray_config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


if __name__ == "__main__":
    main()
