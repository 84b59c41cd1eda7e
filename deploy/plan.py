"""``bindstream plan``: what a configuration will do, in figures, before it does it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bindstream.types import Modality
from deploy.config import Config, load
from deploy.formats import card_of
from deploy.plans import stream_plan
from deploy.preflight import preflight

HEADER_BYTES = 420
"""A typical header and topic on the wire (tests hold it within a third)."""


@dataclass(frozen=True, slots=True)
class StreamForecast:
    """``window_bytes`` go to the encoder ``windows_per_s`` times a second; ``wire_bytes_per_s``
    reach each subscriber. ``worst_age_s``: hop + deadline, the oldest a published one can be."""

    stream: str
    modality: str
    driver: str
    encoder: str
    sensor_rate_hz: float
    length_s: float
    hop_s: float
    windows_per_s: float
    window_bytes: int | None
    wire_bytes_per_s: float
    worst_age_s: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="a ray_config.yaml")
    parser.add_argument("--json", action="store_true", help="one object per line")


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError, which the command turns into exit code 2."""
    forecasts = forecast(load(args.config))
    if args.json:
        for item in forecasts:
            print(json.dumps(asdict(item)))
    else:
        _print_table(forecasts)
    return 0


def forecast(config: Config) -> list[StreamForecast]:
    """One forecast per stream; no device is opened."""
    drivers = preflight(config, devices=False, ports=False)
    made = []
    for stream, driver in zip(config.args.streams, drivers, strict=True):
        plan = stream_plan(config.args, stream)
        encoder = config.args.encoder_of(stream.modality)
        dim = card_of(encoder).dim if encoder.kind == "imagebind" else 1024
        width = 2 if config.args.publish.dtype == "float16" else 4
        made.append(
            StreamForecast(
                stream=stream.name,
                modality=stream.modality.value,
                driver=stream.driver,
                encoder=encoder.name,
                sensor_rate_hz=driver.rate_hz,
                length_s=plan.length_s,
                hop_s=plan.hop_s,
                windows_per_s=1 / plan.hop_s,
                window_bytes=_window_bytes(stream.modality),
                wire_bytes_per_s=(HEADER_BYTES + width * dim) / plan.hop_s,
                worst_age_s=plan.deadline_s,
            )
        )
    return made


def _window_bytes(modality: Modality) -> int | None:
    """Depth and thermal go at their native size, known only once the device is open."""
    return {
        Modality.VISION: 2 * 224 * 224 * 3,
        Modality.AUDIO: 32000 * 4,
        Modality.IMU: 6 * 2000 * 4,
    }.get(modality)


def _print_table(forecasts: list[StreamForecast]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What this configuration will do")
    columns = ("stream", "modality", "driver", "encoder", "sensor Hz", "window s", "every s")
    for column in (*columns, "KiB to encoder", "B/s per reader", "worst age s"):
        table.add_column(column, justify="left" if column in columns[:4] else "right")
    for f in forecasts:
        size = "native" if f.window_bytes is None else f"{f.window_bytes / 1024:.0f}"
        table.add_row(
            f.stream, f.modality, f.driver, f.encoder, f"{f.sensor_rate_hz:g}", f"{f.length_s:g}",
            f"{f.hop_s:g}", size, f"{f.wire_bytes_per_s:.0f}", f"{f.worst_age_s:g}",
        )  # fmt: skip
    Console().print(table)
