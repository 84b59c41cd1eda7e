"""A robot's configuration, made one of a recording: the same encoder, words and scenes. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bindstream.errors import ConfigError
from deploy.config.serve_file import PUBLISHER
from sensors.recording.track import Track

DRIVER = "recording"
STEADY_KIND = "imagebind"
_STREAM, _ROBOT, _ENCODER = "deploy.app:stream", "deploy.app:robot", "deploy.app:encoder"
_KEPT = ("encoder", "hop_s", "length_s", "deadline_s", "in_flight")
"""What a live stream's entry says that holds for its recording too."""


def replaying(
    document: dict[str, Any],
    file: Path,
    tracks: Sequence[Track],
    speed: float | str,
    *,
    renamed: bool = False,
) -> dict[str, Any]:
    """The document with the recording's streams in place of its own, and its robot's time theirs.

    A stream of the document that is called as one of the recording keeps its settings; one whose
    driver is ``recording`` already keeps its options too, and names by them what the recording
    does not say. ``renamed``: the robot is called as the recorded one.

    Raises ConfigError for a document without exactly one robot, and for a recording
    of which nothing can be played.
    """
    made = copy.deepcopy(document)
    apps = [app for app in made.get("applications") or [] if isinstance(app, dict)]
    robots = [app for app in apps if app.get("import_path") == _ROBOT]
    if len(robots) != 1:
        raise ConfigError(f"a replay is of one robot, but the configuration has {len(robots)}")
    (robot,) = robots
    args = robot.setdefault("args", {}) or {}
    if renamed and (name := next((track.robot for track in tracks if track.robot), "")):
        args["name"] = name
    robot["args"] = args | {"time": "streams", "speed": speed}
    entries = list(_streams(apps, args, file, tracks))
    if not entries:
        held = "; ".join(f"{t.stream} ({t.modality}) lacks {t.lacks}" for t in tracks)
        raise ConfigError(f"{file}: nothing of it can be played: {held or 'it holds no stream'}")
    _only_expect(robot, {entry["args"]["name"] for entry in entries})
    encoders = [app for app in apps if app.get("import_path") == _ENCODER]
    made["applications"] = [*encoders, *entries, robot]
    return made


def unplayed(document: dict[str, Any], tracks: Iterable[Track]) -> dict[str, Any]:
    """The document without its own streams of recordings that these are."""
    names = {name for track in tracks for name in (track.stream, track.source)}

    def plays(app: Any) -> bool:
        if not isinstance(app, dict) or not _is_named_stream(app):
            return False
        args = app["args"]
        source = (args.get("options") or {}).get("source", args["name"])
        return args.get("driver") == DRIVER and source in names

    apps = document.get("applications")
    if not isinstance(apps, list):
        return document
    return document | {"applications": [app for app in apps if not plays(app)]}


def steady(document: dict[str, Any]) -> dict[str, Any]:
    """The document with encoders whose vectors are the same to the bit at every start: one window
    at a time, and nothing timed. Only ImageBind's times anything."""
    made = copy.deepcopy(document)
    for app in made["applications"]:
        if app.get("import_path") == _ENCODER:
            args = app.get("args") or {}
            args["max_batch"] = 1
            if args.get("kind", STEADY_KIND) == STEADY_KIND:
                args["options"] = {**(args.get("options") or {}), "steady": True}
                if args.get("dtype", "auto") == "auto":
                    args["dtype"] = "float32"
            app["args"] = args
    return made


def left_out(document: dict[str, Any], tracks: Iterable[Track]) -> list[str]:
    """One line for each stream of the recording that is not played, and why."""
    played = {app["args"]["options"].get("source") for app in _of(document, _STREAM)}
    return [
        f"{track.stream} ({track.modality}, {track.source}) is not played: it lacks {track.lacks}"
        for track in tracks
        if track.lacks and track.source not in played
    ]


def _streams(
    apps: list[dict[str, Any]], robot: dict[str, Any], file: Path, tracks: Sequence[Track]
) -> Iterable[dict[str, Any]]:
    told = {app["args"]["name"]: app["args"] for app in apps if _is_named_stream(app)}
    own = {"robot": robot.get("name", "robot"), "labels": robot.get("labels", {})}
    taken = set()
    for args in told.values():
        if args.get("driver") == DRIVER:
            options = {**(args.get("options") or {}), "file": str(file)}
            taken |= {options.get("source"), args["name"]}
            yield _entry({**args, **own, "options": options})
    for track in tracks:
        if track.lacks or {track.source, track.stream} & taken:
            continue
        kept = told.get(track.stream, {})
        kept = kept if kept.get("modality") == str(track.modality) else {}
        options = {"file": str(file), "modality": str(track.modality), "source": track.source}
        settings = {key: kept[key] for key in _KEPT if key in kept}
        settings.setdefault("encoder", robot.get("encoder", "encoder"))
        known = {"name": track.stream, "modality": str(track.modality), "driver": DRIVER}
        yield _entry({**settings, **known, **own, "options": options})


def _is_named_stream(app: dict[str, Any]) -> bool:
    args = app.get("args")
    return app.get("import_path") == _STREAM and isinstance(args, dict) and "name" in args


def _entry(args: dict[str, Any]) -> dict[str, Any]:
    name = f"stream-{args['name']}"
    return {"name": name, "route_prefix": None, "import_path": _STREAM, "args": args}


def _only_expect(robot: dict[str, Any], names: set[str]) -> None:
    """What the publisher is told of streams, of those that there are."""
    for deployment in robot.get("deployments") or []:
        told = deployment.get("user_config")
        if deployment.get("name") == PUBLISHER and isinstance(told, dict):
            told["expect"] = sorted(names)
            scene = told.get("scene")
            if isinstance(scene, dict) and isinstance(scene.get("weights"), dict):
                scene["weights"] = {n: w for n, w in scene["weights"].items() if n in names}


def _of(document: dict[str, Any], path: str) -> Iterable[dict[str, Any]]:
    return (app for app in document["applications"] if app.get("import_path") == path)
