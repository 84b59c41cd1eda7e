"""``ray_config.yaml``, parsed and validated once, at the edge.

Serve's schema is the outside (and accepts unknown keys in silence). Every application has a
lifetime of its own: each encoder, each robot (publisher and HTTP), each stream. Ours stand under
its ``args``, and under ``user_config`` what reaches a publisher without a restart. One clear error
names the key and the nearest right one, before anything starts; behind it are plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bindstream.command.nearest import nearest
from bindstream.errors import ConfigError
from deploy.config.arguments import (
    LIVE_MODELS,
    PUBLISH_MODELS,
    EncoderArgs,
    LiveArgs,
    RobotArgs,
    StreamArgs,
)
from deploy.config.complaints import complaints
from deploy.config.serve_file import PUBLISHER, read, serve_mistakes

BUILDERS: dict[str, type[BaseModel]] = {
    "deploy.app:encoder": EncoderArgs,
    "deploy.app:robot": RobotArgs,
    "deploy.app:stream": StreamArgs,
}


@dataclass(frozen=True)
class App:
    """One application of the file: Serve's name and route, and our arguments."""

    name: str
    route: str | None
    args: EncoderArgs | RobotArgs | StreamArgs
    live: LiveArgs | None = None


@dataclass(frozen=True)
class Robot:
    """One robot: what it is told at its start, what it may be told later, and its streams."""

    args: RobotArgs
    live: LiveArgs
    streams: tuple[StreamArgs, ...]

    @property
    def name(self) -> str:
        """The robot's name."""
        return self.args.name

    @property
    def expected(self) -> tuple[str, ...]:
        """Streams that must come: all of the file where nothing else is said."""
        return self.live.expect or tuple(stream.name for stream in self.streams)


@dataclass(frozen=True)
class Config:
    """The whole file: Serve's settings as they are, and our applications in the file's order."""

    path: Path
    serve: dict[str, Any]
    apps: tuple[App, ...]

    @property
    def encoders(self) -> dict[str, EncoderArgs]:
        """The encoders by name."""
        return {a.name: a.args for a in self.apps if isinstance(a.args, EncoderArgs)}

    @property
    def streams(self) -> tuple[StreamArgs, ...]:
        """The streams of all robots."""
        return tuple(a.args for a in self.apps if isinstance(a.args, StreamArgs))

    @property
    def robots(self) -> tuple[Robot, ...]:
        """The robots, each with its streams."""
        return tuple(
            Robot(
                app.args,
                app.live or LiveArgs(),
                tuple(s for s in self.streams if s.robot == app.args.name),
            )
            for app in self.apps
            if isinstance(app.args, RobotArgs)
        )

    @property
    def http(self) -> tuple[str, int]:
        """Host and port of the HTTP ingress."""
        options = self.serve.get("http_options") or {}
        return str(options.get("host", "127.0.0.1")), int(options.get("port", 8000))


def shipped_path() -> Path:
    """The ``ray_config.yaml`` that ships with the project."""
    beside = Path(__file__).parents[2] / "ray_config.yaml"
    if beside.is_file():
        return beside
    try:
        packaged = distribution("bindstream-robot").locate_file("deploy/ray_config.yaml")
    except PackageNotFoundError as error:
        raise ConfigError("no ray_config.yaml found; name one") from error
    return Path(str(packaged))


def load(path: Path | None = None) -> Config:
    """Read and validate a file. Raises ConfigError with one clear line per mistake."""
    path = path or shipped_path()
    return made(path, read(path))


def made(path: Path, document: dict[str, Any]) -> Config:
    """Validate what stands in a file, or would. Raises ConfigError as ``load`` does."""
    _refuse(path, serve_mistakes(document))
    apps, lines = [], []
    for entry in document["applications"]:
        try:
            apps.append(_app(entry))
        except ValidationError as error:
            models = LIVE_MODELS | {"": _MODELS[error.title], **PUBLISH_MODELS}
            lines += [f"application '{entry['name']}': {c}" for c in complaints(error, models)]
    _refuse(path, lines)
    config = Config(path, document, tuple(apps))
    _refuse(path, _disagreements(config))
    return _expecting(config)


def _expecting(config: Config) -> Config:
    """Each robot told whom to expect: with a stream that comes or goes, it is told anew."""
    expected = {robot.name: tuple(sorted(robot.expected)) for robot in config.robots}
    return replace(
        config,
        apps=tuple(
            replace(a, live=a.live.model_copy(update={"expect": expected[a.args.name]}))
            if isinstance(a.args, RobotArgs) and a.live
            else a
            for a in config.apps
        ),
    )


def _app(entry: dict[str, Any]) -> App:
    args = BUILDERS[entry["import_path"]].model_validate(entry.get("args") or {})
    live = LiveArgs.model_validate(_user_config(entry)) if isinstance(args, RobotArgs) else None
    return App(entry["name"], entry.get("route_prefix", "/"), args, live)  # type: ignore[arg-type]


def _user_config(entry: dict[str, Any]) -> Any:
    for deployment in entry.get("deployments") or []:
        if deployment.get("name") == PUBLISHER:
            return deployment.get("user_config") or {}
    return {}


def load_streams(path: Path) -> list[StreamArgs]:
    """The streams alone, of whichever robot: Serve's own keys, and so Ray, are left aside.

    Raises ConfigError.
    """
    applications = read(path).get("applications")
    streams: list[StreamArgs] = []
    for n, entry in enumerate(applications if isinstance(applications, list) else []):
        if isinstance(entry, dict) and entry.get("import_path") == "deploy.app:stream":
            try:
                streams.append(StreamArgs.model_validate(entry.get("args") or {}))
            except ValidationError as error:
                lines = complaints(error, {"": StreamArgs})
                _refuse(path, [f"applications.{n}: {line}" for line in lines])
    return streams


def _refuse(path: Path, lines: list[str]) -> None:
    if lines:
        raise ConfigError("\n".join(f"{path}: {line}" for line in lines)) from None


def _disagreements(config: Config) -> list[str]:
    """What no application can see of the others."""
    robots = config.robots
    lines = _twice("robot", [robot.name for robot in robots])
    lines += _twice("publish.endpoint", [robot.args.publish.endpoint for robot in robots])
    for robot in robots:
        lines += _of_robot(robot, config)
    for stream in config.streams:
        place = f"stream '{stream.name}'"
        lines += _named(place, "robot", stream.robot, {robot.name for robot in robots})
        lines += _named(place, "encoder", stream.encoder, set(config.encoders))
    return lines


def _of_robot(robot: Robot, config: Config) -> list[str]:
    place, names = f"robot '{robot.name}'", [stream.name for stream in robot.streams]
    lines = [f"{place}: {line}" for line in _twice("stream", names)]
    lines += _named(place, "encoder", robot.args.encoder, set(config.encoders))
    for named, key in ((robot.live.scene.weights, "scene.weights"), (robot.expected, "expect")):
        for name in named:
            lines += _named(place, key, name, set(names))
    if not names:
        lines.append(f"{place}: no stream is of this robot: give one 'robot: {robot.name}'")
    return lines + [
        f"stream '{stream.name}': labels {stream.labels or 'none'} are not those of its robot "
        f"'{robot.name}' ({robot.args.labels or 'none'}): both must be on one host"
        for stream in robot.streams
        if stream.labels != robot.args.labels
    ]


def _named(place: str, key: str, name: str, known: set[str]) -> list[str]:
    if name in known:
        return []
    return [f"{place}: {key} names none of ours: '{name}'{nearest(name, known)}"]


def _twice(what: str, names: list[str]) -> list[str]:
    return [f"two {what}s are '{name}'" for name in dict.fromkeys(names) if names.count(name) > 1]


_MODELS: dict[str, type[BaseModel]] = {
    "EncoderArgs": EncoderArgs,
    "RobotArgs": RobotArgs,
    "StreamArgs": StreamArgs,
    "LiveArgs": LiveArgs,
}
