"""What is to be indexed: recordings as they lie on the disk, and the streams of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bindstream.errors import BindstreamError, ConfigError
from bindstream.formats import WindowFormat
from deploy.config.arguments import EncoderArgs
from deploy.config.file import Config, made
from deploy.config.formats import window_format
from deploy.config.plans import stream_plan
from deploy.config.preflight import preflight
from deploy.config.replaying import left_out, replaying, steady
from deploy.config.serve_file import read
from pipeline.plan import StreamPlan
from sensors.recording.opening import opened
from sensors.recording.track import Track


@dataclass(frozen=True, slots=True)
class Source:
    """A recording: its path, bytes and sha256; of a folder those of all files in it."""

    file: Path
    size: int
    sha256: str

    @property
    def key(self) -> str:
        """What its part files are called by."""
        return self.sha256[:16]


@dataclass(frozen=True, slots=True)
class StreamJob:
    """One stream of a recording, and the encoder of the configuration that it goes to. Its windows
    lie between ``starts_ns`` and ``ends_ns`` (0: not known before it was read)."""

    source: Source
    plan: StreamPlan
    form: WindowFormat
    encoder: str
    starts_ns: int = 0
    ends_ns: int = 0

    @property
    def name(self) -> str:
        """What its part files begin with."""
        return f"{self.source.key}-{self.plan.stream}"


@dataclass(frozen=True, slots=True)
class Job:
    """All streams, and the encoders by name. ``faults``: recordings that cannot be indexed."""

    streams: tuple[StreamJob, ...]
    encoders: dict[str, EncoderArgs]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def planned(files: Iterable[Path], config: Path, batch: int) -> Job:
    """Look at every recording. Raises ConfigError for a path that is not there, and for a
    configuration that cannot be; a recording that cannot be read is told, and left out.

    ``batch``: windows that are encoded at once; 1: the same bits as ``replay --digest``.
    """
    document = read(config)
    made(config, document)  # what is wrong with it is said once, not of every recording
    paths = list(dict.fromkeys(file.resolve() for file in files))
    for path in paths:
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder")
    streams, encoders = list[StreamJob](), dict[str, EncoderArgs]()
    faults, notes, known = list[str](), list[str](), dict[str, Path]()
    for path in paths:
        try:
            source = source_of(path)
            if source.sha256 in known:
                notes.append(f"{path}: is the same as {known[source.sha256]}: indexed once")
                continue
            known[source.sha256] = path
            recording = opened(path)
            tracks, starts_ns = recording.tracks(), recording.starts_ns
            played = steady(replaying(document, path, tracks, "max", renamed=True))
            notes += [f"{path}: {line}" for line in left_out(played, tracks)]
            one = made(config, _batched(played, batch))
            preflight(one, devices=False, ports=False)
            streams += _streams(one, source, tracks, starts_ns)
            encoders |= one.encoders
        except (BindstreamError, OSError) as error:
            faults.append(f"{path}: {str(error).removeprefix(f'{path}: ')}")
    return Job(tuple(streams), encoders, tuple(faults), tuple(notes))


def source_of(path: Path) -> Source:
    """Reads all of it."""
    if not path.is_dir():
        size, digest = _hashed(path)
        return Source(path, size, digest)
    whole, total = hashlib.sha256(), 0
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        size, digest = _hashed(file)
        total += size
        whole.update(f"{file.relative_to(path)}\0{size}\0{digest}\n".encode())
    return Source(path, total, whole.hexdigest())


def _hashed(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _batched(document: dict[str, Any], batch: int) -> dict[str, Any]:
    for app in document["applications"]:
        if app.get("import_path") == "deploy.app:encoder":
            app["args"]["max_batch"] = batch
    return document


def _streams(
    config: Config, source: Source, tracks: Iterable[Track], starts_ns: int
) -> Iterator[StreamJob]:
    ends = {name: track.ends_ns for track in tracks for name in (track.source, track.stream)}
    for args in config.streams:
        ends_ns = ends.get(args.options.get("source", args.name), 0)
        form = window_format(config, args)
        plan = stream_plan(args)
        yield StreamJob(source, plan, form, args.encoder, starts_ns, ends_ns)
