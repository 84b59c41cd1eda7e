"""``bindstream status``: each stream's state, rate, age and ledger, from the robot's own health
messages. Works in the base install; judges the data path, not that a process exists."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

from bindstream.command.parser import add_endpoint
from bindstream.command.reach import why_nothing
from bindstream.command.rows import StreamRow, name_of, row_of
from bindstream.command.sheet import Column, hanging, plain, table, terminal_width
from bindstream.subscriber import Subscriber
from bindstream.types import Health

COLUMNS = (
    *(Column(heading) for heading in ("stream", "modality", "state")),
    *(Column(heading, figure=True) for heading in ("sensor Hz", "out Hz", "age p50 ms")),
    *(Column(heading, figure=True) for heading in ("age p99 ms", "published", "open")),
    Column("dropped"),
)
EXPLAINED = """\
  state      opening, running, paused, ended (nothing follows), failed or
             stopped; why, below the table
  sensor Hz  what the sensor gives: frames, IMU readings, audio samples
  out Hz     embeddings per second, over the last ten seconds
  age        ms from the end of a window to its publication: half of the last
             30 s were younger than p50, all but 1 % younger than p99
  published, open, dropped   windows since the start; open ones are under way.
             --json has all three and captured, which is their sum
"""
LISTEN_S = 1.5
FIRST_S = 3.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``status``."""
    parser.epilog = EXPLAINED
    add_endpoint(parser)
    parser.add_argument("--json", action="store_true", help="one object per line and stream")


def run(args: argparse.Namespace) -> int:
    """Print one row per stream; 1 if nobody publishes or a stream has failed."""
    rows = read(args.endpoint)
    if not rows:
        print(
            f"bindstream status: no health message from {args.endpoint} within {FIRST_S:.0f} s: "
            f"{why_nothing(args.endpoint, ['health/'])}",
            file=sys.stderr,
        )
        return 1
    for line in _json_lines(rows) if args.json else _text_lines(rows):
        print(line)
    return 1 if any(row.state == "failed" for row in rows) else 0


def read(endpoint: str) -> list[StreamRow]:
    """The newest row of every stream that speaks within LISTEN_S of the first that does."""
    rows: dict[str, StreamRow] = {}
    end = time.monotonic() + FIRST_S
    with Subscriber(endpoint, ["health/"]) as stream:
        while (left_s := end - time.monotonic()) > 0:
            message = stream.receive(left_s)
            if not isinstance(message, Health):
                continue
            if not rows:
                end = min(end, time.monotonic() + LISTEN_S)
            rows[f"{message.robot}/{message.stream}"] = row_of(message)
    return [rows[name] for name in sorted(rows)]


def _json_lines(rows: list[StreamRow]) -> list[str]:
    return [json.dumps(asdict(row)) for row in rows]


def _text_lines(rows: list[StreamRow]) -> list[str]:
    width = terminal_width()
    names = [name_of(row, rows) for row in rows]
    cells = [_cells(name, row) for name, row in zip(names, rows, strict=True)]
    whys = [(f"{name}: ", row.why) for name, row in zip(names, rows, strict=True) if row.why]
    return plain(table(COLUMNS, cells, width)) + [hanging(*why, width) for why in whys]


def _cells(name: str, row: StreamRow) -> tuple[str, ...]:
    dropped = ", ".join(f"{reason} {count}" for reason, count in sorted(row.dropped.items()))
    return (
        name,
        row.modality,
        row.state,
        _figure(row.rate_hz),
        _figure(row.published_hz, 1),
        _figure(row.age_p50_ms),
        _figure(row.age_p99_ms),
        str(row.published),
        str(row.open),
        dropped or "-",
    )


def _figure(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
