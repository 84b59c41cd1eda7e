"""``bindstream status``: each stream's state, rate, age and ledger, from the robot's own health
messages. Works in the base install; judges the data path, not that a process exists."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict

import msgspec

from bindstream.subscriber import DEFAULT_ENDPOINT, Subscriber
from bindstream.types import Health
from deploy.state import StreamRow, row_of

HEADINGS = (
    *("stream", "modality", "state", "sensor Hz", "out Hz"),
    *("age p50", "p99 ms", "published", "open", "dropped"),
)
FIGURES = range(3, 9)
"""The columns that are figures, and stand to the right."""
LISTEN_S = 1.5
FIRST_S = 3.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``status``."""
    parser.add_argument("endpoint", nargs="?", default=DEFAULT_ENDPOINT, help="%(default)s if none")
    parser.add_argument("--json", action="store_true", help="one object per line and stream")


def run(args: argparse.Namespace) -> int:
    """Print one row per stream; 1 if nobody publishes or a stream has failed."""
    rows = read(args.endpoint)
    if not rows:
        print(
            f"bindstream status: no health message from {args.endpoint} within {FIRST_S:.0f} s."
            " Start a robot: bindstream run",
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
    return [msgspec.json.encode(asdict(row)).decode() for row in rows]


def _text_lines(rows: list[StreamRow]) -> list[str]:
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = [_aligned(line, widths) for line in cells]
    return lines + [f"{row.stream}: {row.why}" for row in rows if row.why]


def _cells(row: StreamRow) -> tuple[str, ...]:
    dropped = ", ".join(f"{reason} {count}" for reason, count in sorted(row.dropped.items()))
    return (
        row.stream,
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


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    padded = [
        text.rjust(width) if column in FIGURES else text.ljust(width)
        for column, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()
