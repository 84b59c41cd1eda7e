"""What a stream's ingest and its robot's publisher say to each other.

One host, one user, our own two processes: still msgpack with a closed set of messages, decoded and
validated by msgspec. Every message names its stream and epoch. A publisher that was restarted asks
whom it does not know (Introduce); the stream answers Resume, and says again, in order, all of its
windows that no publisher has settled.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
import numpy as np

from bindstream.types import Embedding, Modality, Stamped, Tombstone, Vector
from pipeline.clock import Timing


class About(msgspec.Struct, frozen=True):
    """Who a stream is: a publisher knows nothing of its streams but what they say here.

    ``deadline_ns`` after its end a window is no news. ``app`` is Serve's name of its application.
    ``starts_ns``: of a recording, when it begins; else 0.
    """

    modality: Modality
    hop_ns: int
    deadline_ns: int
    app: str = ""
    starts_ns: int = 0


class Hello(msgspec.Struct, tag=True, frozen=True):
    """A stream starts: it asks for an epoch and the clock offset. Answered by Grant.

    ``instance`` is this start's own: asked twice, it is answered with the same epoch.
    """

    stream: str
    instance: str
    about: About


class Resume(msgspec.Struct, tag=True, frozen=True):
    """The stream goes on under a new publisher: seqs of ``epoch`` before ``next_seq`` are settled.

    ``offset_ns`` and ``timing`` are the clock it was granted: the publisher takes it over.
    """

    stream: str
    instance: str
    about: About
    epoch: int
    offset_ns: int
    next_seq: int
    timing: Timing = Timing()


class Opened(Stamped, tag=True, frozen=True, kw_only=True):
    """A window was cut; exactly one Embedding or Tombstone of it follows.

    Both are as the stream knows them: the publisher adds its words, its ``life`` and the time.
    """


class State(msgspec.Struct, tag=True, frozen=True):
    """About once a second, and at every change: what the stream is doing.

    ``offset_ns`` is the clock it was granted: a publisher that was restarted takes it over.
    """

    stream: str
    epoch: int
    offset_ns: int
    state: str
    why: str
    rate_hz: float
    wanted_rate_hz: float
    counters: dict[str, int]


class Progress(msgspec.Struct, tag=True, frozen=True):
    """Where streams tell the robot's time: all windows that end by ``t_ns`` have been opened."""

    stream: str
    epoch: int
    t_ns: int


class Happened(msgspec.Struct, tag=True, frozen=True):
    """Something worth telling every reader: becomes an Event."""

    stream: str
    name: str
    t_ns: int
    detail: dict[str, Any]


class Bye(msgspec.Struct, tag=True, frozen=True):
    """The stream has drained; nothing follows in this epoch."""

    stream: str
    epoch: int


class Grant(msgspec.Struct, tag=True, frozen=True):
    """``epoch`` is greater than any before; ``offset_ns`` turns CLOCK_MONOTONIC into Unix time.
    ``life`` names this start of the publisher; ``timing`` says which clock the robot has."""

    epoch: int
    offset_ns: int
    life: str = ""
    timing: Timing = Timing()


class Now(msgspec.Struct, tag=True, frozen=True):
    """The robot's time, where its streams tell it: they wait when they are too far ahead."""

    t_ns: int


class Introduce(msgspec.Struct, tag=True, frozen=True):
    """A publisher hears a stream that it does not know. Answered, once in its life, by Resume;
    ``again``: by another, for the answer did not come."""

    life: str
    again: bool = False


class Settled(msgspec.Struct, tag=True, frozen=True):
    """Readers were told the outcome of every window up to ``seq``: the stream may forget them."""

    epoch: int
    seq: int


OfWindow: TypeAlias = Opened | Embedding | Tombstone
"""What belongs to one window, and must arrive for the accounts to be right."""
Upward: TypeAlias = Hello | Resume | OfWindow | State | Progress | Happened | Bye
"""From ingest to publisher."""
Downward: TypeAlias = Grant | Introduce | Settled | Now
"""From publisher to ingest."""


def _raw(value: Any) -> bytes:
    """A vector as raw little-endian float32."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"no message holds a {type(value).__name__}")
    return value.astype("<f4", copy=False).tobytes()


def _vector(_kind: type, raw: bytes) -> Vector:
    """And back, float32 (dim,). Raises ValueError where the bytes are none."""
    return np.frombuffer(raw, "<f4")


encode = msgspec.msgpack.Encoder(enc_hook=_raw).encode
decode_upward = msgspec.msgpack.Decoder(Upward, dec_hook=_vector).decode
decode_downward = msgspec.msgpack.Decoder(Downward).decode
