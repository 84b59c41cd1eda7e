"""``bindstream plan``: what a configuration will do, in figures, before it does it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bindstream.command.sheet import Column, plain, table, terminal_width
from deploy.config.file import Config, load
from deploy.config.formats import window_format
from deploy.config.offers import offered
from deploy.config.preflight import preflight
from pipeline.windows.windower import length_of

USUAL_DIM = 1024
HEADER_BYTES = 420
"""A typical header and topic on the wire (tests hold it within a third)."""


COLUMNS = (
    *(Column(heading) for heading in ("stream", "modality", "driver", "encoder")),
    *(Column(heading, figure=True) for heading in ("sensor Hz", "window s", "every s")),
    *(Column(heading, figure=True) for heading in ("window KiB", "reader KiB/s", "worst age s")),
)
EXPLAINED = """\
  sensor Hz     what the driver will ask the sensor for; 0: it comes as it comes
  window s      the time that one embedding stands for
  every s       a window ends so often, so 1 / that many embeddings a second
  window KiB    what goes to the encoder for each; native: the sensor's own size
  reader KiB/s  what each reader of the stream is sent
  worst age s   deadline_s: older than that, a window is dropped, not published
"""


@dataclass(frozen=True, slots=True)
class StreamForecast:
    """``window_bytes`` go to the encoder ``windows_per_s`` times a second; ``wire_bytes_per_s``
    reach each subscriber. ``worst_age_s``: the deadline, the oldest that one can be when it is
    published (a reader without ``latest`` may add its own queue)."""

    robot: str
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
    parser.epilog = EXPLAINED
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="a ray_config.yaml")
    parser.add_argument("--json", action="store_true", help="one object per line")


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError, which the command turns into exit code 2."""
    forecasts = forecast(load(args.config))
    if args.json:
        for item in forecasts:
            print(json.dumps(asdict(item)))
    else:
        print("\n".join(plain(table(COLUMNS, map(_cells, forecasts), terminal_width()))))
    return 0


def forecast(config: Config) -> list[StreamForecast]:
    """One forecast per stream; no device is opened."""
    drivers = preflight(config, devices=False, ports=False)
    dtypes = {robot.name: robot.args.publish.dtype for robot in config.robots}
    made = []
    for stream, driver in zip(config.streams, drivers, strict=True):
        form = window_format(config, stream)
        dim = offered(stream.encoder, config.encoders[stream.encoder]).dim or USUAL_DIM
        width = 2 if dtypes[stream.robot] == "float16" else 4
        made.append(
            StreamForecast(
                robot=stream.robot,
                stream=stream.name,
                modality=stream.modality.value,
                driver=stream.driver,
                encoder=stream.encoder,
                sensor_rate_hz=driver.rate_hz,
                length_s=length_of(form, stream.hop),
                hop_s=stream.hop,
                windows_per_s=1 / stream.hop,
                window_bytes=form.window_bytes,
                wire_bytes_per_s=(HEADER_BYTES + width * dim) / stream.hop,
                worst_age_s=stream.deadline_s,
            )
        )
    return made


def _cells(f: StreamForecast) -> list[str]:
    size_kib = None if f.window_bytes is None else f.window_bytes / 1024
    figures = (f.sensor_rate_hz, f.length_s, f.hop_s, size_kib, f.wire_bytes_per_s / 1024)
    return [f.stream, f.modality, f.driver, f.encoder, *map(_figure, (*figures, f.worst_age_s))]


def _figure(value: float | None) -> str:
    if value is None:
        return "native"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
