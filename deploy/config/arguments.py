"""What each application of ``ray_config.yaml`` may be told: Serve's ``args``, checked by pydantic.

One model per application that ``deploy.app`` builds (encoder, robot, stream), and one for what
reaches a publisher without a restart (``user_config``).
"""

from __future__ import annotations

import contextlib
import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from bindstream.command.nearest import did_you_mean
from bindstream.endpoint import as_endpoint
from bindstream.errors import ConfigError
from bindstream.types import SENSED, Modality
from sensors.ros2 import keys, session

DEFAULT_HOPS_S = {
    Modality.VISION: 0.5,
    Modality.AUDIO: 1.0,
    Modality.DEPTH: 0.5,
    Modality.THERMAL: 0.5,
    Modality.IMU: 1.0,
}
FASTEST = 1000


def _no_flag(value: Any) -> Any:
    """YAML's true (and yes, on) would else count as 1."""
    if isinstance(value, bool):
        raise ValueError(f"wants a number, got {str(value).lower()}")
    return value


Number: TypeAlias = Annotated[float, BeforeValidator(_no_flag)]
Whole: TypeAlias = Annotated[int, BeforeValidator(_no_flag)]
_NAME = r"^[a-z0-9_-]{1,64}$"
_ENDPOINT = re.compile(r"tcp://(127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d{1,5}|\*)\Z")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncoderArgs(_Strict):
    """One encoder: an application of its own, called by its application's name.

    ``modalities`` None: all that the weights hold. ``max_batch`` above 1 batches what waits (pays
    on a GPU). ``options`` go to the encoder's constructor.
    """

    kind: str = "imagebind"
    weights: str | None = "bindstream_tiny"
    modalities: tuple[Modality, ...] | None = Field(None, min_length=1)
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: Whole = Field(1, ge=1, le=256)
    replicas: Whole = Field(1, ge=1, le=64)
    max_batch: Whole = Field(1, ge=1, le=256)
    options: dict[str, Any] = {}
    ray_actor_options: dict[str, Any] = {}


class StreamArgs(_Strict):
    """One sensor: an application of its own.

    ``robot`` and ``encoder`` are names of theirs. ``labels`` pins it to its robot's host (a Ray
    label selector), as the robot's own do. ``options`` go to the driver's constructor. ``hop_s``
    None: the modality's default. ``length_s`` None: what the weights were trained with; anything
    else is refused. ``deadline_s`` after its end a window is no longer worth encoding.
    """

    name: str = Field(pattern=_NAME)
    robot: str = Field("robot", pattern=_NAME)
    encoder: str = "encoder"
    labels: dict[str, str] = {}
    modality: Modality
    driver: str
    options: dict[str, Any] = {}
    hop_s: Number | None = Field(None, ge=0.02, le=60)
    length_s: Number | None = Field(None, gt=0, le=60)
    deadline_s: Number = Field(5.0, gt=0, le=60)
    in_flight: Whole = Field(2, ge=1, le=4)

    @field_validator("modality", mode="before")
    @classmethod
    def _a_sensed_one(cls, value: Any) -> Any:
        return _sensed("a stream", value)

    @property
    def hop(self) -> float:
        """Seconds between two windows' ends."""
        return self.hop_s if self.hop_s is not None else DEFAULT_HOPS_S[self.modality]


class SceneArgs(_Strict):
    """The join: ``max_age_s`` None means 2 s + the member's hop; ``weights`` by stream name."""

    hop_s: Number = Field(0.5, ge=0.05, le=60)
    delay_s: Number = Field(0.1, ge=0, le=10)
    max_age_s: Number | None = Field(None, gt=0, le=600)
    weights: dict[str, Annotated[Number, Field(ge=0, le=1e6)]] = {}


class Ros2Args(_Strict):
    """Back to ROS 2 through zenoh: ``router`` to connect to, or the address to ``listen`` at as a
    router of one's own. ``namespace`` None: the robot's name. ``humble``: keys without hashes."""

    router: str = session.ROUTER
    listen: str | None = None
    domain_id: Whole = Field(0, ge=keys.DOMAINS[0], le=keys.DOMAINS[1])
    namespace: str | None = None
    humble: bool = False

    @field_validator("router", "listen")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and not session.ADDRESS.fullmatch(value):
            raise ValueError(f"'{value}' is not {session.WANTED_ADDRESS}")
        return value

    @field_validator("namespace")
    @classmethod
    def _a_namespace(cls, value: str | None) -> str | None:
        if value in (None, "/"):
            return value
        absolute = keys.absolute(str(value))
        if absolute is None:
            raise ValueError(f"'{value}' is no namespace of ROS 2, such as /rover")
        return absolute


class PublishArgs(_Strict):
    """Where embeddings go out, and as what; ``ros2``: also as messages of ROS 2."""

    endpoint: str = "tcp://127.0.0.1:5570"
    dtype: Literal["float32", "float16"] = "float32"
    ros2: Ros2Args | None = None

    @field_validator("ros2")
    @classmethod
    def _reads_a_fixed_endpoint(cls, value: Ros2Args | None, info: ValidationInfo) -> Any:
        if value is not None and str(info.data.get("endpoint", "")).endswith("*"):
            raise ValueError("reads what is published, so publish.endpoint wants a port, not *")
        return value

    @field_validator("endpoint")
    @classmethod
    def _loopback(cls, value: str) -> str:
        with contextlib.suppress(ConfigError):
            value = as_endpoint(value)
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
    prompts: tuple[str, ...] = Field(("{}",), min_length=1)
    modalities: tuple[Modality, ...] = Field(SENSED, min_length=1)
    margin: Number = Field(0.0, ge=0, le=2)

    @field_validator("modalities", mode="before")
    @classmethod
    def _sensed_ones(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [_sensed("what tells the answer", one) for one in value]
        return value

    @field_validator("words", mode="before")
    @classmethod
    def _as_map(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            words = [_word(word) for word in value]
            _unique("answer", words)
            return {word: (word,) for word in words}
        if isinstance(value, dict):
            return {_word(answer): phrases for answer, phrases in value.items()}
        return value

    @field_validator("words")
    @classmethod
    def _a_choice(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if len(value) < 2:
            raise ValueError(f"wanted two or more answers to choose from, got {len(value)}")
        for word, phrases in value.items():
            if not phrases or not all(phrase.strip() for phrase in phrases):
                raise ValueError(f"answer '{word}' has no phrase that means it, or an empty one")
        return value

    @field_validator("prompts")
    @classmethod
    def _one_blank(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for prompt in value:
            if prompt.count("{}") != 1:
                raise ValueError(f"prompt '{prompt}' needs exactly one {{}} for the word")
        return value


class RobotArgs(_Strict):
    """A robot's publisher and HTTP: an application of its own.

    ``encoder`` is asked for words. ``labels`` pins it to its host: a Ray label selector. ``time``
    says whose it is: the host's, or its streams' own, so that a recording's windows are not late.
    ``speed`` of recorded streams: 1, N times, or "max", as fast as the encoder takes them.
    """

    name: str = Field("robot", pattern=_NAME)
    encoder: str = "encoder"
    labels: dict[str, str] = {}
    publish: PublishArgs = PublishArgs()
    time: Literal["live", "streams"] = "live"
    speed: float | Literal["max"] = 1.0

    @field_validator("speed", mode="before")
    @classmethod
    def _a_pace(cls, value: Any, info: ValidationInfo) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value != "max" and not (number and 0 < value <= FASTEST):
            raise ValueError(
                f"'{value}' is not how many times as fast as recorded (above 0, at most "
                f"{FASTEST}), or max"
            )
        if info.data.get("time") == "live" and value != 1:
            raise ValueError(f"{value} needs time: streams; a live robot has a pace of its own")
        return value


class LiveArgs(_Strict):
    """What reaches a running publisher: ``user_config`` of the deployment ``publisher``.

    ``expect``: streams that are missed where they do not come (None: whoever says hello is
    there). ``labels``: the questions asked of every vector.
    """

    expect: tuple[str, ...] | None = None
    scene: SceneArgs = SceneArgs()
    labels: dict[str, QuestionArgs] = {}


def _sensed(what: str, value: Any) -> Any:
    if value not in SENSED:
        known = [str(modality) for modality in SENSED]
        near = did_you_mean(str(value), known)
        raise ValueError(f"{what} cannot be '{value}'; one of {', '.join(known)}{near}")
    return value


def _word(value: Any) -> str:
    """An answer as text; YAML makes flags of yes, no, on and off, and nothing of null."""
    if isinstance(value, bool):
        raise ValueError(f"an answer is {str(value).lower()} to YAML: quote it, such as 'yes'")
    if not isinstance(value, str | int | float) or not str(value).strip():
        raise ValueError(f"an answer wants words, got {type(value).__name__} {str(value)[:40]!r}")
    return str(value)


def _unique(what: str, names: list[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two {what}s are called '{twice.pop()}'")


LIVE_MODELS: dict[str, type[BaseModel]] = {
    "": LiveArgs,
    "scene": SceneArgs,
    "labels": QuestionArgs,
}
"""Which model stands under which key of ``user_config``, for complaints."""
PUBLISH_MODELS: dict[str, type[BaseModel]] = {"publish": PublishArgs, "publish.ros2": Ros2Args}
"""Likewise under a robot's ``args``."""
