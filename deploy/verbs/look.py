"""``bindstream look``: what one sensor gives. Opens it alone; neither Ray nor torch is needed."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bindstream.command.nearest import nearest
from bindstream.errors import BindstreamError, ConfigError, InvalidInput
from bindstream.imu import AXES
from bindstream.types import Array, Modality, Sample
from pipeline.sensing.border import admitted, counted, is_recorded, rate_of, samples_of, stalled_of
from pipeline.sensing.read_span import ReadSpan
from sensors import DRIVERS, load
from sensors.driver import Driver, contracted

READ_S = 0.2
KEPT = {Modality.AUDIO: 60 * 100, Modality.IMU: 60 * 4000}
"""Chunks and readings kept for ``--save``; of frames the newest alone is."""
SHOWN_VALUES = 20_000
UNITS = {
    Modality.VISION: "RGB, 0 to 255",
    Modality.AUDIO: "-1 to 1, 16 kHz mono",
    Modality.DEPTH: "m, 0 = hole",
    Modality.THERMAL: "K",
    Modality.IMU: "m/s2, then rad/s",
}
SUFFIXES = {Modality.AUDIO: ".wav", Modality.IMU: ".csv"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("stream", nargs="?", metavar="STREAM", help="a stream of the configuration")
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="a ray_config.yaml")
    parser.add_argument("--driver", metavar="D", help="a driver instead of a configured stream")
    parser.add_argument(
        "--option", action="append", default=[], metavar="K=V", help="an option of that driver"
    )
    parser.add_argument("--seconds", type=float, default=3.0, metavar="N", help="how long to look")
    parser.add_argument("--json", action="store_true", help="one object")
    parser.add_argument(
        "--save", type=Path, metavar="F", help="the newest frame as PNG, sound as WAV, IMU as CSV"
    )


def run(args: argparse.Namespace) -> int:
    """0 when samples came, 1 with the driver's words when none did. Raises ConfigError."""
    if not 0 < args.seconds <= 3600:
        raise ConfigError(f"--seconds: wanted more than 0, at most 3600, got {args.seconds:g}")
    name, driver = _given(args) if args.driver else _configured(args)
    modality = Modality(driver.modality)
    if args.save is not None:
        _check_save(args.save, modality)
    seen = Seen(modality)
    trouble = _look(driver, seen, args.seconds)
    report = {"stream": name, "modality": modality.value} | seen.report(driver) | trouble
    print(json.dumps(report) if args.json else "\n".join(_lines(report)), flush=True)
    if not seen.count:
        why = report.get("why") or seen.refusal or f"no sample within {args.seconds:g} s"
        print(f"bindstream look: {why}", file=sys.stderr)
        return 1
    if args.save is not None:
        _save(args.save, modality, seen, rate_of(driver))
        print(f"{args.save} written", file=sys.stderr)
    return 0


class Seen:
    """What came: counts and times of all samples, values of the newest."""

    def __init__(self, modality: Modality) -> None:
        self.count = 0
        self.refused = 0
        self.refusal = ""
        self.kept: list[Sample] = []
        self._modality = modality
        self._rows: list[tuple[int, int, int]] = []  # t_ns, arrival_ns, how many before it

    def take(self, sample: Sample, came: tuple[int, int] | None = None) -> None:
        """One sample as the driver gave it, in a read of what ``came`` in that time."""
        try:
            sample = admitted(sample, self._modality, came)
        except InvalidInput as error:
            self.refused += 1
            self.refusal = str(error)
            return
        self._rows.append((sample.t_ns, sample.arrival_ns, self.count))
        self.count += len(sample.data) if self._modality is Modality.AUDIO else 1
        self.kept.append(sample)
        del self.kept[: -KEPT.get(self._modality, 1)]

    def report(self, driver: Driver) -> dict[str, Any]:
        """All of it, in numbers that JSON has."""
        found: dict[str, Any] = {"samples": self.count, "refused": self.refused}
        if self.refusal:
            found["refusal"] = self.refusal
        with contextlib.suppress(Exception):  # a driver of somebody else's
            found["counters"] = counted(getattr(driver, "counters", {}))
        if self.count:
            found |= self._measures(rate_of(driver))
            latency_ms = getattr(driver, "latency_ms", None)
            found["latency_ms"] = float(latency_ms) if latency_ms is not None else None
        return found

    def _measures(self, wanted_hz: float) -> dict[str, Any]:
        newest = self.kept[-1].data
        return {
            "rate_hz": self._rate_hz(),
            "wanted_rate_hz": wanted_hz,
            "shape": list(newest.shape),
            "dtype": newest.dtype.name,
            "unit": UNITS[self._modality],
            "range": self._range(),
        } | self._times()

    def _rate_hz(self) -> float | None:
        """From arrival to arrival: what came with the first says nothing of the rate."""
        first_ns, last_ns = self._rows[0][1], self._rows[-1][1]
        later = [before for _, arrival_ns, before in self._rows if arrival_ns > first_ns]
        if not later:
            return None
        return round((self.count - later[0]) * 1e9 / (last_ns - first_ns), 2)

    def _range(self) -> dict[str, Any]:
        if self._modality is Modality.IMU:
            values = np.stack([s.data for s in self.kept])
            return {axis: _spread(values[:, k]) for k, axis in enumerate(AXES)}
        data = np.concatenate([s.data.ravel() for s in self.kept])
        if self._modality is not Modality.DEPTH:
            return _spread(data)
        measured = data[data > 0]
        holes = round(1 - len(measured) / len(data), 4)
        return (_spread(measured) if len(measured) else {}) | {"holes": holes}

    def _times(self) -> dict[str, Any]:
        t_ns, arrival_ns, before = np.array(self._rows).T
        late_ms = (arrival_ns - t_ns) / 1e6
        found: dict[str, Any] = {
            "late_ms": {"median": _short(np.median(late_ms)), "max": _short(late_ms.max())}
        }
        if len(t_ns) < 3:
            return found
        each_ns = np.diff(t_ns) / np.maximum(1, np.diff(before))  # of a sample
        usual_ns = float(np.median(each_ns))
        off_ms = (np.diff(t_ns) - usual_ns * np.diff(before)) / 1e6
        steps_ms = np.diff(t_ns) / 1e6
        found["step_ms"] = _short(np.median(steps_ms))
        found["jitter_ms"] = _short(np.percentile(np.abs(off_ms), 95))
        found["gaps"] = int((off_ms > np.maximum(0.5 * np.median(steps_ms), 1)).sum())
        found["longest_step_ms"] = _short(steps_ms.max())
        found["backward"] = int((np.diff(t_ns) <= 0).sum())
        return found


def _look(driver: Driver, seen: Seen, seconds: float) -> dict[str, str]:
    """Read for a while; how the driver stood at the end."""
    span, stalled = ReadSpan(time.time_ns, lambda: is_recorded(driver)), ""
    try:
        span.begin(time.monotonic())
        driver.open(time.time_ns)
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            samples = samples_of(driver.read(READ_S))
            came = span.end(time.monotonic())
            for sample in samples:
                seen.take(sample, came)
        stalled = stalled_of(driver)
    except BindstreamError as error:
        return {"state": "lost" if seen.count else "failed", "why": str(error)}
    except Exception as error:  # a driver of somebody else's
        return {"state": "failed", "why": f"{type(error).__name__}: {error}"}
    finally:
        with contextlib.suppress(Exception):
            driver.close()
    if stalled:
        return {"state": "stalled", "why": stalled}
    return {"state": "running" if seen.count else "silent", "why": ""}


def _configured(args: argparse.Namespace) -> tuple[str, Driver]:
    from deploy.config.file import load_streams, shipped_path

    path = args.config or shipped_path()
    if args.stream is None:
        raise ConfigError("which stream? `bindstream look STREAM [CONFIG]`, or --driver D")
    if args.option:
        raise ConfigError("--option goes with --driver: a stream's own stand in its configuration")
    streams = {stream.name: stream for stream in load_streams(path)}
    if args.stream not in streams:
        raise ConfigError(f"{path} has no stream '{args.stream}'{nearest(args.stream, {*streams})}")
    stream = streams[args.stream]
    return stream.name, _made(stream.driver, stream.name, stream.options)


def _given(args: argparse.Namespace) -> tuple[str, Driver]:
    import yaml

    chosen = {}
    for word in args.option:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--option: wanted KEY=VALUE, got '{word}'")
        chosen[key] = yaml.safe_load(value)
    name = args.stream or "look"
    return name, _made(args.driver, name, chosen)


def _made(driver: str, stream: str, chosen: dict[str, Any]) -> Driver:
    if driver not in DRIVERS and ":" not in driver:
        raise ConfigError(f"unknown driver '{driver}'{nearest(driver, {*DRIVERS})}")
    make: Callable[..., Driver] = load(driver)
    known = _options_of(make)
    for key in chosen:
        if key not in known:
            raise ConfigError(f"driver '{driver}': unknown option '{key}'{nearest(key, known)}")
    try:
        return contracted(make(stream, **chosen), driver)
    except BindstreamError:
        raise
    except Exception as error:  # an option that is missing; a driver of somebody else's
        said = str(error).rpartition("__init__() ")[2]
        raise ConfigError(f"driver '{driver}': {said}; its options: {', '.join(known)}") from error


def _options_of(make: Callable[..., Driver]) -> set[str]:
    try:
        return set(list(inspect.signature(make).parameters)[1:])
    except ValueError:  # of C: it tells none
        return set()


def _check_save(path: Path, modality: Modality) -> None:
    wanted = SUFFIXES.get(modality, ".png")
    if path.suffix.lower() != wanted:
        raise ConfigError(f"--save: {modality} is written as {wanted}, got '{path.name}'")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--save: no folder {path.absolute().parent}")


def _save(path: Path, modality: Modality, seen: Seen, rate_hz: float) -> None:
    if modality is Modality.AUDIO:
        _save_wav(path, np.concatenate([s.data for s in seen.kept]), rate_hz)
    elif modality is Modality.IMU:
        rows = [f"{s.t_ns},{','.join(f'{v:.6g}' for v in s.data)}\n" for s in seen.kept]
        path.write_text("".join([f"t_ns,{','.join(AXES)}\n", *rows]))
    else:
        _save_png(path, modality, seen.kept[-1].data)


def _save_wav(path: Path, sound: Array, rate_hz: float) -> None:
    from sensors.audio.buffers import RATE_HZ  # of a driver that does not say

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(round(rate_hz or RATE_HZ))
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def _save_png(path: Path, modality: Modality, frame: Array) -> None:
    """Colour in 8 bits; depth in millimetres and heat in hundredths of a kelvin, in 16."""
    from PIL import Image

    if modality is not Modality.VISION:
        scale = 1000 if modality is Modality.DEPTH else 100
        frame = np.clip(np.round(frame * scale), 0, 65_535).astype(np.uint16)
    Image.fromarray(frame).save(path)


def _spread(values: Array) -> dict[str, Any]:
    few = values[:: max(1, len(values) // SHOWN_VALUES)]
    ends = {"min": _short(values.min()), "median": _short(np.median(few))}
    return ends | {"max": _short(values.max())}


def _short(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _lines(report: dict[str, Any]) -> list[str]:
    """A few lines for people, none over 80 columns where names allow."""
    lines = [f"{report['stream']}: {report['modality']}, {report['state']}"]
    if report["samples"]:
        wanted = report["wanted_rate_hz"]
        beside = f" of {wanted:g}" if wanted else ""
        rate = report["rate_hz"]
        lines.append(f"  rate      {'?' if rate is None else f'{rate:g}'}{beside} Hz")
        shape = " x ".join(map(str, report["shape"]))
        lines.append(f"  data      {shape} {report['dtype']}: {report['unit']}")
        lines += _range_lines(report["range"])
        lines += _time_lines(report)
    counters = report.get("counters") or {}
    named = ", ".join(f"{name} {count}" for name, count in counters.items())
    lines.append(f"  counters  {named or 'none'}")
    if report["refused"]:
        lines.append(f"  refused   {report['refused']}, the last: {report['refusal']}")
    if report["why"] and report["samples"]:  # else it is told as an error
        lines.append(f"  why       {report['why']}")
    return lines


def _range_lines(found: dict[str, Any]) -> list[str]:
    if "ax" in found:
        return [f"  {axis:10}{_ends(spread)}" for axis, spread in found.items()]
    holes = f", {found['holes']:.0%} holes" if "holes" in found else ""
    return [f"  range     {_ends(found)}{holes}"]


def _ends(spread: dict[str, Any]) -> str:
    if "min" not in spread:
        return "nothing measured"
    return f"{spread['min']:g} to {spread['max']:g}, median {spread['median']:g}"


def _time_lines(report: dict[str, Any]) -> list[str]:
    late = report["late_ms"]
    promised = report["latency_ms"]
    beside = "" if promised is None else f" (up to {promised:g} promised)"
    lines = [f"  arrival   {late['median']:g} ms after the stamp, {late['max']:g} at most{beside}"]
    if "step_ms" in report:
        lines.append(
            f"  stamps    {report['step_ms']:g} ms apart, jitter {report['jitter_ms']:g} ms, "
            f"{report['gaps']} gaps, longest {report['longest_step_ms']:g} ms"
        )
    return lines
