"""``ray_config.yaml``, parsed and validated once, at the edge.

Serve's schema is the outside (and accepts unknown keys in silence), ours stands under
``applications[0].args``. One clear error names the key and the nearest right one, before anything
starts. Behind this file there are only plain values.
"""

from __future__ import annotations

import difflib
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bindstream.errors import ConfigError
from bindstream.types import SENSED, Modality

DEFAULT_HOPS_S = {
    Modality.VISION: 0.5,
    Modality.AUDIO: 1.0,
    Modality.DEPTH: 0.5,
    Modality.THERMAL: 0.5,
    Modality.IMU: 1.0,
}
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
    in_flight: int = Field(1, ge=1, le=4)

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

    ``words`` are the possible answers, or a map from answer to the phrases that mean it;
    ``prompts`` are templates with ``{}`` for the phrase; ``modalities`` are the sensors that can
    tell; below ``margin`` between best and second best, nothing is said.
    """

    words: tuple[str, ...] | dict[str, tuple[str, ...]]
    prompts: tuple[str, ...] = ("{}",)
    modalities: tuple[Modality, ...] = SENSED
    margin: float = Field(0.0, ge=0, le=2)

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
    encoder: EncoderArgs | tuple[EncoderArgs, ...] = EncoderArgs()
    streams: tuple[StreamArgs, ...] = Field(min_length=1)
    scene: SceneArgs = SceneArgs()
    publish: PublishArgs = PublishArgs()
    labels: dict[str, QuestionArgs] = {}

    @property
    def encoders(self) -> tuple[EncoderArgs, ...]:
        """The encoder deployments, one or several."""
        return self.encoder if isinstance(self.encoder, tuple) else (self.encoder,)

    @model_validator(mode="after")
    def _consistent(self) -> AppArgs:
        _unique("stream", [s.name for s in self.streams])
        _unique("encoder", [e.name for e in self.encoders])
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
        options = self.serve.get("http_options", {})
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
    _check_serve(path, document)
    try:
        args = AppArgs.model_validate(document["applications"][0].get("args") or {})
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from None
    return Config(path=path, serve=document, args=args)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path}: wanted a map with 'applications', got {type(document).__name__}"
        )
    return document


def _check_serve(path: Path, document: dict[str, Any]) -> None:
    """Serve's own keys, which Serve itself accepts misspelt."""
    from ray.serve.schema import (
        HTTPOptionsSchema,
        ServeApplicationSchema,
        ServeDeploySchema,
    )

    _known_keys(path, "", document, ServeDeploySchema)
    applications = document.get("applications")
    if not isinstance(applications, list) or len(applications) != 1:
        raise ConfigError(f"{path}: 'applications' must hold exactly one application")
    _known_keys(path, "applications.0.", applications[0], ServeApplicationSchema)
    _known_keys(path, "http_options.", document.get("http_options") or {}, HTTPOptionsSchema)
    host = (document.get("http_options") or {}).get("host", "127.0.0.1")
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigError(
            f"{path}: http_options.host is '{host}'; the HTTP ingress has no password yet, "
            "so it is served on 127.0.0.1 alone"
        )


def _known_keys(path: Path, place: str, found: Any, schema: type[Any]) -> None:
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: {place.rstrip('.') or 'the file'} must be a map")
    known = set(schema.model_fields)
    for key in found:
        if key not in known:
            raise ConfigError(f"{path}: unknown key '{place}{key}'{_nearest(str(key), known)}")


def _nearest(key: str, known: set[str]) -> str:
    match = difflib.get_close_matches(key, known, 1, 0.5)
    return f"; did you mean '{match[0]}'?" if match else f"; known: {', '.join(sorted(known))}"


_MODELS: dict[str, type[BaseModel]] = {
    "robot": RobotArgs,
    "encoder": EncoderArgs,
    "streams": StreamArgs,
    "scene": SceneArgs,
    "publish": PublishArgs,
    "labels": QuestionArgs,
}


def _explain(path: Path, error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        place = [p for p in item["loc"] if p not in ("EncoderArgs",) and "tuple[" not in str(p)]
        key = ".".join(str(p) for p in place) or "args"
        lines.append(f"{path}: {_complaint(key, place, item)}")
    return "\n".join(_without_the_other_form(lines))


def _complaint(key: str, place: list[Any], item: Any) -> str:
    if item["type"] == "extra_forbidden":
        model = _MODELS.get(str(place[0]), AppArgs) if len(place) > 1 else AppArgs
        return f"unknown key '{key}'{_nearest(str(place[-1]), set(model.model_fields))}"
    if item["type"] == "missing":
        return f"'{key}' is missing"
    message = item["msg"].removeprefix("Value error, ")
    if isinstance(item["input"], dict | list | tuple):
        return f"{key}: {message}"
    return f"{key}: {message} (got {item['input']!r})"


def _without_the_other_form(lines: list[str]) -> list[str]:
    """A map where a list may stand as well is blamed for not being a list: leave that out."""
    kept = [line for line in lines if "should be a valid tuple" not in line]
    return list(dict.fromkeys(kept or lines))
