"""The wire: what stands between the publisher and every reader, in one file.

A message is three frames: topic | header | payload. The header is a msgpack map whose first key
is the wire version; the payload is the raw little-endian vector (embedding, scene), nothing
(tombstone), or a msgpack map (event, health). Unknown versions are refused by name. No pickle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np

from bindstream.errors import UnknownKind, WireError
from bindstream.types import (
    Embedding,
    Event,
    Health,
    Member,
    Modality,
    Reason,
    Scene,
    Tombstone,
    Vector,
)

WIRE_VERSION = 1
DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
MAX_DIM = 8192
MAX_HEADER_BYTES = 16384
MAX_PAYLOAD_BYTES = 1 << 20
MAX_DETAIL_BYTES = 1 << 16
"""Of an event or health: ours have 2 KB. A megabyte may hold a million maps, seconds of work."""

Message: TypeAlias = Embedding | Tombstone | Scene | Event | Health

_KINDS_OF_A_ROBOT = ("scene", "event")
_UNREADABLE = (msgspec.MsgspecError, KeyError, ValueError, TypeError, RecursionError)
"""What bytes can provoke: a bad str is a plain ValueError, deep nesting a RecursionError."""

_NAME = re.compile(r"[a-z0-9_-]{1,64}\Z")


class Here(NamedTuple):
    """The reader's machine: what it calls its boot (see ``host.boot``), and CLOCK_MONOTONIC now.

    On the robot's own host both hold for the robot as well, so that the robot's clock is known.
    """

    boot: str
    monotonic_ns: int


class Header(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The header as it stands on the wire; fields that a kind does not use are left out."""

    v: int
    kind: str
    robot: str
    stream: str = ""
    modality: str = ""
    epoch: int = 0
    seq: int = 0
    start_ns: int = 0
    end_ns: int = 0
    captured_ns: int = 0
    windowed_ns: int = 0
    encoded_ns: int = 0
    published_ns: int = 0
    queue_ms: float = 0.0
    encode_ms: float = 0.0
    n_missing: int = 0
    space_id: str = ""
    encoder_id: str = ""
    dim: int = 0
    dtype: str = ""
    reason: str = ""
    members: list[tuple[str, str, int, float, float | None]] = []
    words: dict[str, str] = {}
    life: str = ""
    offset_ns: int = 0
    time: str = ""


_encode_header = msgspec.msgpack.Encoder().encode
_decode_header = msgspec.msgpack.Decoder(Header).decode
_KINDS: dict[type[Message], str] = {
    Embedding: "embedding",
    Tombstone: "tombstone",
    Scene: "scene",
    Event: "event",
    Health: "health",
}
_SHARED = {
    kind: [name for name in Header.__struct_fields__ if name in kind.__struct_fields__]
    for kind in _KINDS
}
"""What a kind's header holds under the very name that it has in the message."""


def valid_name(name: str) -> bool:
    """Whether a robot or stream may be called so: ``[a-z0-9_-]{1,64}``."""
    return _NAME.match(name) is not None


def topic(message: Message) -> str:
    """The topic of a message; ends in '/', so that a prefix never matches half a name."""
    match message:
        case Embedding() | Tombstone():
            return f"embedding/{message.robot}/{message.stream}/"
        case Scene():
            return f"scene/{message.robot}/"
        case Event():
            return f"event/{message.robot}/"
        case Health():
            return f"health/{message.robot}/{message.stream}/"


def encode(
    message: Message, dtype: str = "float32", offset_ns: int = 0, time: str = ""
) -> list[bytes]:
    """A message -> [topic, header, payload]. ``dtype`` of the vector: float32 or float16.

    ``offset_ns`` is the robot's clock minus its host's CLOCK_MONOTONIC; 0 leaves it untold.
    ``time`` "streams": the robot's clock is no clock of a host, but its streams' own.
    """
    own: dict[str, Any] = {}
    match message:
        case Embedding() | Scene():
            own = {"dim": len(message.vector), "dtype": dtype}
            payload = _pack(message.vector, dtype)
        case Tombstone():
            payload = b""
        case Event():
            own = {"published_ns": message.t_ns}
            payload = msgspec.msgpack.encode({**message.detail, "name": message.name})
        case Health():
            own = {"published_ns": message.t_ns}
            payload = msgspec.msgpack.encode({**message.detail, "state": message.state})
    kind = type(message)
    known = {name: getattr(message, name) for name in _SHARED[kind]}
    own |= {"offset_ns": offset_ns, "time": time}
    header = Header(v=WIRE_VERSION, kind=_KINDS[kind], **known, **own)
    return [topic(message).encode(), _encode_header(header), payload]


def decode(
    frames: Sequence[bytes],
    received_ns: int = 0,
    same_clock: bool = False,
    here: Here | None = None,
) -> Message:
    """[topic, header, payload] -> the message. Raises WireError, and nothing else, on bad bytes.

    ``received_ns`` is the reader's clock at receipt; ``same_clock`` says that it agrees with
    the robot's, so that an age can be stated. Where ``here`` is the robot's own host, the
    robot's clock is used instead, which no step of the wall clock moves. Where the robot's time is
    its streams' own, as in a replay, nothing has an age. UnknownKind, a
    WireError, is a kind that later versions may have.
    """
    if len(frames) != 3:
        raise WireError(f"a message has 3 frames, got {len(frames)}")
    header = _checked_header(frames[1])
    payload = frames[2]
    if here and header.offset_ns and header.life.startswith(here.boot):
        received_ns, same_clock = here.monotonic_ns + header.offset_ns, True
    same_clock = same_clock and not header.time
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError(f"payload of {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES}")
    try:
        _check_order(header)
        message = _DECODERS[header.kind](header, payload, received_ns, same_clock)
    except _UNREADABLE as error:
        raise WireError(f"cannot read a message of kind '{header.kind}': {error}") from error
    if topic(message).encode() != bytes(frames[0]):
        raise WireError(f"topic {bytes(frames[0])[:200]!r} does not match its header")
    return message


def _checked_header(raw: bytes) -> Header:
    if len(raw) > MAX_HEADER_BYTES:
        raise WireError(f"header of {len(raw)} bytes, at most {MAX_HEADER_BYTES}")
    try:
        header = _decode_header(raw)
    except _UNREADABLE as error:
        raise WireError(f"unreadable header: {error}") from error
    if header.v != WIRE_VERSION:
        raise WireError(f"wire version {header.v} is not known; this reader speaks {WIRE_VERSION}")
    if header.kind not in _DECODERS:
        raise UnknownKind(f"messages of kind {header.kind[:40]!r} are not known to this reader")
    of_robot = header.kind in _KINDS_OF_A_ROBOT and header.stream == ""
    if not valid_name(header.robot) or not (of_robot or valid_name(header.stream)):
        raise WireError("robot or stream name outside [a-z0-9_-]{1,64}")
    return header


def _check_order(header: Header) -> None:
    """Raises ValueError for numbers and times that no robot gives."""
    if header.epoch < 0 or header.seq < 0:
        raise ValueError(f"epoch {header.epoch} and seq {header.seq} must not be negative")
    if header.kind in ("embedding", "tombstone") and header.end_ns < header.start_ns:
        raise ValueError(f"the window ends {header.start_ns - header.end_ns} ns before its start")


def _pack(vector: Vector, dtype: str) -> bytes:
    return bytes(np.ascontiguousarray(vector, DTYPES[dtype]).tobytes())


def _unpack(header: Header, payload: bytes) -> Vector:
    kind = DTYPES[header.dtype]
    if not 0 < header.dim <= MAX_DIM or len(payload) != header.dim * kind.itemsize:
        raise ValueError(f"{len(payload)} bytes are not {header.dim} values of {header.dtype}")
    vector: Vector = np.frombuffer(payload, kind).astype(np.float32)
    if not np.isfinite(vector).all() or not vector.any():
        raise ValueError("a vector is finite and not zero")
    return vector


def _age_ms(header: Header, received_ns: int, same_clock: bool) -> float | None:
    return (received_ns - header.end_ns) / 1e6 if same_clock else None


def _known(kind: type[Message], h: Header) -> dict[str, Any]:
    return {name: getattr(h, name) for name in _SHARED[kind]}


def _to_embedding(h: Header, payload: bytes, received_ns: int, same_clock: bool) -> Embedding:
    known = _known(Embedding, h) | {"modality": Modality(h.modality)}
    age_ms, vector = _age_ms(h, received_ns, same_clock), _unpack(h, payload)
    return Embedding(**known, vector=vector, received_ns=received_ns, age_ms=age_ms)


def _to_tombstone(h: Header, payload: bytes, received_ns: int, _same_clock: bool) -> Tombstone:
    if payload:
        raise ValueError("a tombstone has no payload")
    known = _known(Tombstone, h) | {"modality": Modality(h.modality), "reason": Reason(h.reason)}
    return Tombstone(**known, received_ns=received_ns)


def _to_scene(h: Header, payload: bytes, received_ns: int, same_clock: bool) -> Scene:
    known = _known(Scene, h) | {"members": msgspec.convert(h.members, tuple[Member, ...])}
    age_ms, vector = _age_ms(h, received_ns, same_clock), _unpack(h, payload)
    return Scene(**known, vector=vector, received_ns=received_ns, age_ms=age_ms)


def _to_map(payload: bytes, first: str) -> tuple[str, dict[str, Any]]:
    if len(payload) > MAX_DETAIL_BYTES:
        raise ValueError(f"a map of {len(payload)} bytes, at most {MAX_DETAIL_BYTES}")
    detail = msgspec.msgpack.decode(payload, type=dict[str, Any])
    name = detail.pop(first)
    if not isinstance(name, str):
        raise ValueError(f"'{first}' must be a string")
    return name, detail


def _to_event(h: Header, payload: bytes, _received_ns: int, _same_clock: bool) -> Event:
    name, detail = _to_map(payload, "name")
    return Event(h.robot, name, h.published_ns, detail)


def _to_health(h: Header, payload: bytes, _received_ns: int, _same_clock: bool) -> Health:
    state, detail = _to_map(payload, "state")
    return Health(h.robot, h.stream, state, h.published_ns, detail)


_DECODERS: dict[str, Callable[[Header, bytes, int, bool], Message]] = {
    "embedding": _to_embedding,
    "tombstone": _to_tombstone,
    "scene": _to_scene,
    "event": _to_event,
    "health": _to_health,
}
