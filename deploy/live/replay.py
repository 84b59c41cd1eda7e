"""A recording through the whole graph: its streams as sensors of a robot whose time is theirs."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from bindstream.command.nearest import did_you_mean
from bindstream.errors import ConfigError
from deploy.config.file import Config, made, shipped_path
from deploy.config.preflight import preflight
from deploy.config.replaying import left_out, replaying, steady, unplayed
from deploy.config.serve_file import read
from deploy.live import leftovers
from deploy.live.digests import Digests
from deploy.live.display import Lines, Table
from deploy.live.parts import Show
from deploy.live.played_out import PlayedOut
from deploy.live.private_ray import PrivateRay
from deploy.live.session import Session, conduct
from deploy.live.stopping import Stopping
from sensors.recording.opening import opened
from sensors.recording.track import Track


def replay(
    file: Path,
    path: Path | None,
    stopping: Stopping,
    *,
    only: Collection[str],
    speed: float | str,
    digest: bool,
    as_json: bool,
) -> int:
    """0 when all was played, 1 when something failed or a digest is none, 128 + the signal when
    stopped before. Raises ConfigError when refused.

    ``only``: the streams that are wanted, empty for all. ``path``: the configuration whose encoder,
    words and scenes are used; None: the shipped one.
    ``private_ray.prepare`` was called before ray was imported.
    """
    config = configured(file, opened(file).tracks(), only, path, speed, digest=digest)
    leftovers.reap()  # before we look whose the ports are
    preflight(config)
    names = [stream.name for stream in config.streams]
    digests = Digests(names) if digest else None
    played = PlayedOut(names)
    show: Show = digests or (Lines() if as_json else Table([r.name for r in config.robots], None))
    session = Session(config, PrivateRay(), show, stopping, played, "replay")

    def tell(code: int) -> int:
        faults = digests.faults() if digests else []
        if code == 0 and played.left:
            faults.append(f"ended before the end of {', '.join(sorted(played.left))}")
            code = stopping.exit_code if stopping.asked else 1
        for fault in faults:
            print(f"bindstream replay: {fault}", file=sys.stderr)
        if digests and not (code or faults):
            digests.tell()
        return code or bool(faults)

    return conduct(session, show, stopping, tell)


def chosen(file: Path, tracks: Sequence[Track], only: Collection[str]) -> list[Track]:
    """Of a recording's streams those that are wanted. Raises ConfigError for one that it lacks."""
    wanted = [name.strip() for name in only]
    names = [track.stream for track in tracks]
    for name in wanted:
        if name not in names:
            raise ConfigError(
                f"{file}: holds no stream '{name}'{did_you_mean(name, names)}; it holds "
                f"{', '.join(names) or 'none'}"
            )
    return [track for track in tracks if not wanted or track.stream in wanted]


def configured(
    file: Path,
    tracks: Sequence[Track],
    only: Collection[str],
    named: Path | None,
    speed: float | str,
    *,
    digest: bool,
) -> Config:
    """The configuration of a replay; where none is named, the shipped one with the recorded robot's
    name. What of the recording is not played is told on standard error. Raises ConfigError."""
    path, wanted = named or shipped_path(), chosen(file, tracks, only)
    document = unplayed(read(path), [track for track in tracks if track not in wanted])
    document = replaying(document, file.resolve(), wanted, speed, renamed=named is None)
    for line in left_out(document, wanted):
        print(f"bindstream replay: {file}: {line}", file=sys.stderr)
    return made(path, steady(document) if digest else document)
