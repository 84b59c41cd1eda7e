"""``ray_config.yaml``, parsed and validated once, at the edge.

Serve's schema is the outside (and accepts unknown keys in silence), ours stands under
``applications[0].args``. One clear error names the key and the nearest right one, before anything
starts. Behind this file there are only plain values.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bindstream.errors import ConfigError
from bindstream.types import SENSED, Modality
from deploy.complaints import complaints, nearest, unknown_keys

DEFAULT_HOPS_S = {
    Modality.VISION: 0.5,
    Modality.AUDIO: 1.0,
    Modality.DEPTH: 0.5,
    Modality.THERMAL: 0.5,
    Modality.IMU: 1.0,
}
RESERVED = {"publisher", "ingress"}
_NAME = r"^[a-z0-9_-]{1,64}$"
_ENDPOINT = re.compile(r"tcp://(127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d{1,5}|\*)\Z")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RobotArgs(_Strict):
    """``labels`` pins sensors and publisher to the robot's host: a Ray label selector."""

    name: str = Field("robot", pattern=_NAME)
    labels: dict[str, str] = {}


class EncoderArgs(_Strict):
    """One encoder deployment.

    ``modalities`` None: all that the weights hold and the streams need. ``max_batch`` above 1
    batches what waits (pays on a GPU). ``options`` go to the encoder's constructor.
    """

    name: str = Field("encoder", pattern=_NAME)
    kind: str = "imagebind"
    weights: str | None = "bindstream_tiny"
    modalities: tuple[Modality, ...] | None = None
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = Field(1, ge=1, le=256)
    replicas: int = Field(1, ge=1, le=64)
    max_batch: int = Field(1, ge=1, le=256)
    options: dict[str, Any] = {}
    ray_actor_options: dict[str, Any] = {}


class StreamArgs(_Strict):
    """One sensor.

    ``options`` go to the driver's constructor. ``hop_s`` None: the modality's default.
    ``length_s`` None: what the weights were trained with; anything else is refused.
    ``deadline_s`` after its end a window is no longer worth encoding.
    """

    name: str = Field(pattern=_NAME)
    modality: Modality
    driver: str
    options: dict[str, Any] = {}
    hop_s: float | None = Field(None, ge=0.02, le=60)
    length_s: float | None = Field(None, gt=0, le=60)
    deadline_s: float = Field(5.0, gt=0, le=60)
    in_flight: int = Field(2, ge=1, le=4)

    @field_validator("modality")
    @classmethod
    def _sensed(cls, value: Modality) -> Modality:
        if value not in SENSED:
            raise ValueError(f"a stream cannot be '{value}'; one of {', '.join(SENSED)}")
        return value

    @property
    def hop(self) -> float:
        """Seconds between two windows' ends."""
        return self.hop_s if self.hop_s is not None else DEFAULT_HOPS_S[self.modality]


class SceneArgs(_Strict):
    """The join: ``max_age_s`` None means 2 s + the member's hop; ``weights`` by stream name."""

    hop_s: float = Field(0.5, ge=0.05, le=60)
    delay_s: float = Field(0.1, ge=0, le=10)
    max_age_s: float | None = Field(None, gt=0, le=600)
    weights: dict[str, float] = {}


class PublishArgs(_Strict):
    """Where embeddings go out, and as what."""

    endpoint: str = "tcp://127.0.0.1:5570"
    dtype: Literal["float32", "float16"] = "float32"

    @field_validator("endpoint")
    @classmethod
    def _loopback(cls, value: str) -> str:
        match = _ENDPOINT.match(value)
        if value.startswith("ipc://"):
            return value
        if not match or (match[2] != "*" and not 0 < int(match[2]) < 65536):
            raise ValueError(
                f"'{value}' is not tcp://127.0.0.1:PORT or ipc://PATH; the stream is not "
                "encrypted yet, so it is served on this machine alone"
            )
        return value


class QuestionArgs(_Strict):
    """One question asked of every vector.

    ``words`` are the possible answers, two or more, or a map from answer to the phrases
    that mean it; ``prompts`` are templates with ``{}`` for the phrase; ``modalities`` are the
    sensors that can tell; below ``margin`` between best and second best, nothing is said.
    """

    words: dict[str, tuple[str, ...]]
    prompts: tuple[str, ...] = ("{}",)
    modalities: tuple[Modality, ...] = SENSED
    margin: float = Field(0.0, ge=0, le=2)

    @field_validator("words", mode="before")
    @classmethod
    def _as_map(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            _unique("answer", [str(word) for word in value])
            return {str(word): (str(word),) for word in value}
        return value

    @field_validator("words")
    @classmethod
    def _a_choice(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if len(value) < 2:
            raise ValueError(f"wanted two or more answers to choose from, got {len(value)}")
        for word, phrases in value.items():
            if not phrases:
                raise ValueError(f"answer '{word}' has no phrase that means it")
        return value

    @field_validator("prompts")
    @classmethod
    def _one_blank(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for prompt in value:
            if prompt.count("{}") != 1:
                raise ValueError(f"prompt '{prompt}' needs exactly one {{}} for the word")
        return value


class AppArgs(_Strict):
    """All that ``deploy.app:build`` takes."""

    robot: RobotArgs = RobotArgs()
    encoder: tuple[EncoderArgs, ...] = (EncoderArgs(),)
    streams: tuple[StreamArgs, ...]
    scene: SceneArgs = SceneArgs()
    publish: PublishArgs = PublishArgs()
    labels: dict[str, QuestionArgs] = {}

    @field_validator("encoder", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else [value]

    @field_validator("encoder", "streams", mode="before")
    @classmethod
    def _at_least_one(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and not value:
            raise ValueError("at least one is needed")
        return value

    @property
    def encoders(self) -> tuple[EncoderArgs, ...]:
        """The encoder deployments, one or several."""
        return self.encoder

    @property
    def deployments(self) -> set[str]:
        """What Serve's deployments are called."""
        ours = {f"stream-{stream.name}" for stream in self.streams}
        return ours | RESERVED | {encoder.name for encoder in self.encoders}

    @model_validator(mode="after")
    def _consistent(self) -> AppArgs:
        _unique("stream", [s.name for s in self.streams])
        _unique("encoder", [e.name for e in self.encoders])
        for encoder in self.encoders:
            if encoder.name in RESERVED or encoder.name.startswith("stream-"):
                raise ValueError(f"an encoder cannot be called '{encoder.name}': we use that name")
        for stream in self.streams:
            self.encoder_of(stream.modality)
        unknown = set(self.scene.weights) - {s.name for s in self.streams}
        if unknown:
            raise ValueError(f"scene.weights names no stream of ours: {', '.join(sorted(unknown))}")
        return self

    def encoder_of(self, modality: Modality) -> EncoderArgs:
        """The encoder that takes this modality. Raises ValueError when there is none."""
        for encoder in self.encoders:
            if encoder.modalities is None or modality in encoder.modalities:
                return encoder
        raise ValueError(f"no encoder takes '{modality}': add it to an encoder's modalities")


def _unique(what: str, names: list[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two {what}s are called '{twice.pop()}'")


class Config(BaseModel):
    """The whole file: Serve's settings as they are, and our arguments."""

    model_config = ConfigDict(frozen=True)
    path: Path
    serve: dict[str, Any]
    args: AppArgs

    @property
    def application(self) -> dict[str, Any]:
        """Serve's entry of our application."""
        entry: dict[str, Any] = self.serve["applications"][0]
        return entry

    @property
    def http(self) -> tuple[str, int]:
        """Host and port of the HTTP ingress."""
        options = self.serve.get("http_options") or {}
        return str(options.get("host", "127.0.0.1")), int(options.get("port", 8000))


def shipped_path() -> Path:
    """The ``ray_config.yaml`` that ships with the project."""
    beside = Path(__file__).parent.parent / "ray_config.yaml"
    if beside.is_file():
        return beside
    try:
        packaged = distribution("bindstream").locate_file("deploy/ray_config.yaml")
    except PackageNotFoundError as error:
        raise ConfigError("no ray_config.yaml found; name one") from error
    return Path(str(packaged))


def load(path: Path | None = None) -> Config:
    """Read and validate a file. Raises ConfigError with one clear line per mistake."""
    path = path or shipped_path()
    document = _read(path)
    _refuse(path, _serve_mistakes(document))
    found = document["applications"][0].get("args") or {}
    try:
        args = AppArgs.model_validate(found)
    except ValidationError as error:
        lines = complaints(error, _MODELS)
        if isinstance(found, dict) and not isinstance(found.get("encoder"), list):
            lines = [line.replace("encoder.0", "encoder", 1) for line in lines]
        _refuse(path, lines)
        raise
    _refuse(path, _foreign_deployments(document, args))
    return Config(path=path, serve=document, args=args)


def load_streams(path: Path) -> list[StreamArgs]:
    """The streams alone, of whichever application: Serve's own keys, and so Ray, are left aside.

    Raises ConfigError.
    """
    applications = _read(path).get("applications")
    streams: list[StreamArgs] = []
    for application in applications if isinstance(applications, list) else []:
        given = application.get("args") if isinstance(application, dict) else None
        found = given.get("streams") if isinstance(given, dict) else None
        for number, stream in enumerate(found if isinstance(found, list) else []):
            try:
                streams.append(StreamArgs.model_validate(stream))
            except ValidationError as error:
                lines = complaints(error, _MODELS | {"": StreamArgs})
                _refuse(path, [f"streams.{number}: {line}" for line in lines])
    return streams


def _refuse(path: Path, lines: list[str]) -> None:
    if lines:
        raise ConfigError("\n".join(f"{path}: {line}" for line in lines)) from None


class _Once(yaml.SafeLoader):
    """YAML that refuses a key written twice: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1 and key != "<<":
                line = node.start_mark.line + 1
                raise yaml.YAMLError(f"'{key}' stands twice in the map at line {line}")
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(), _Once)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"{path}: cannot be read as YAML: {said}") from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path}: wanted a map with 'applications', got {type(document).__name__}"
        )
    return document


def _serve_mistakes(document: dict[str, Any]) -> list[str]:
    """Serve's own keys, which Serve itself accepts misspelt."""
    from ray.serve import schema

    lines = unknown_keys("", document, set(schema.ServeDeploySchema.model_fields))
    applications = document.get("applications")
    if not isinstance(applications, list) or len(applications) != 1:
        return [*lines, "'applications' must hold exactly one application"]
    application = applications[0]
    places: list[tuple[str, Any, type[BaseModel]]] = [
        ("applications.0", application, schema.ServeApplicationSchema),
        ("http_options", document.get("http_options") or {}, schema.HTTPOptionsSchema),
    ]
    deployments = application.get("deployments") if isinstance(application, dict) else None
    for i, one in enumerate(deployments if isinstance(deployments, list) else []):
        places.append((f"applications.0.deployments.{i}", one, schema.DeploymentSchema))
    for place, found, model in places:
        lines += unknown_keys(place, found, set(model.model_fields))
    return lines or _wrong_values(document, schema.ServeDeploySchema)


def _wrong_values(document: dict[str, Any], model: type[BaseModel]) -> list[str]:
    try:
        model.model_validate(document)
    except ValidationError as error:
        return complaints(error, {"": model})
    host = (document.get("http_options") or {}).get("host", "127.0.0.1")
    if host in ("127.0.0.1", "localhost", "::1"):
        return []
    return [
        f"http_options.host is '{host}'; the HTTP ingress has no password yet, "
        "so it is served on 127.0.0.1 alone"
    ]


def _foreign_deployments(document: dict[str, Any], args: AppArgs) -> list[str]:
    names = [one.get("name") for one in document["applications"][0].get("deployments") or []]
    return [
        f"applications.0.deployments names no deployment of ours: '{name}'"
        f"{nearest(str(name), args.deployments)}"
        for name in names
        if name not in args.deployments
    ]


_MODELS: dict[str, type[BaseModel]] = {
    "": AppArgs,
    "robot": RobotArgs,
    "encoder": EncoderArgs,
    "streams": StreamArgs,
    "scene": SceneArgs,
    "publish": PublishArgs,
    "labels": QuestionArgs,
}
