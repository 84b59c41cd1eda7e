"""What a stream's ingest and its robot's publisher say to each other, over ZeroMQ ipc.

One host, one user, our own two processes: still msgpack with a closed set of messages, decoded and
validated by msgspec. Every message names its stream and epoch, so that a publisher that was
restarted understands the next one it hears.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import zmq

from bindstream.errors import ConfigError
from bindstream.runtime_dir import runtime_dir
from bindstream.types import Modality, Reason


class Hello(msgspec.Struct, tag=True, frozen=True):
    """A stream starts: it asks for an epoch and the clock offset. Answered by Grant.

    ``instance`` is this start's own: asked twice, it is answered with the same epoch.
    """

    stream: str
    instance: str
    modality: Modality
    hop_ns: int
    wanted_rate_hz: float


class Grant(msgspec.Struct, tag=True, frozen=True):
    """``epoch`` is greater than any before; ``offset_ns`` turns CLOCK_MONOTONIC into Unix time."""

    epoch: int
    offset_ns: int


class Opened(msgspec.Struct, tag=True, frozen=True):
    """A window was cut; exactly one Encoded or Dropped follows."""

    stream: str
    modality: Modality
    epoch: int
    seq: int
    start_ns: int
    end_ns: int


class Encoded(msgspec.Struct, tag=True, frozen=True):
    """The window's vector, raw little-endian float32 (dim,), and where its time went."""

    stream: str
    epoch: int
    seq: int
    n_missing: int
    captured_ns: int
    windowed_ns: int
    encoded_ns: int
    queue_ms: float
    encode_ms: float
    space_id: str
    encoder_id: str
    vector: bytes


class Dropped(msgspec.Struct, tag=True, frozen=True):
    """The window will not be encoded, and why."""

    stream: str
    epoch: int
    seq: int
    reason: Reason


class State(msgspec.Struct, tag=True, frozen=True):
    """About once a second, and at every change: what the stream is doing.

    ``offset_ns`` is the clock it was granted: a publisher that was restarted takes it over.
    """

    stream: str
    modality: Modality
    epoch: int
    offset_ns: int
    state: str
    why: str
    rate_hz: float
    wanted_rate_hz: float
    counters: dict[str, int]


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


Upward: TypeAlias = Hello | Opened | Encoded | Dropped | State | Happened | Bye
"""From ingest to publisher."""

_encode = msgspec.msgpack.Encoder().encode
decode_upward = msgspec.msgpack.Decoder(Upward).decode
_decode_grant = msgspec.msgpack.Decoder(Grant).decode


def address(robot: str) -> str:
    """Where the robot's publisher listens for its own streams. Raises ConfigError when too long."""
    path = runtime_dir() / f"{robot}.ingest"
    if len(str(path)) >= 100:
        raise ConfigError(f"socket path {path} is over 99 bytes: set BINDSTREAM_RUNTIME_DIR")
    return f"ipc://{path}"


def lock_path(robot: str) -> Path:
    """The file whose lock makes one publisher per robot and host."""
    return runtime_dir() / f"{robot}.lock"


def grant_bytes(grant: Grant) -> bytes:
    """The publisher's answer to Hello."""
    return _encode(grant)


BACKLOG = 1000
"""Messages kept while the publisher is away: minutes of a stream, at most 4 MB of vectors."""
FLUSH_S = 0.5


class Link:
    """Ingest's end. ``send`` may be called from any thread, at any time, and never blocks."""

    def __init__(self, endpoint: str) -> None:
        self._lock = threading.Lock()
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.SNDHWM, BACKLOG)
        self._socket.setsockopt(zmq.LINGER, round(FLUSH_S * 1000))
        self._socket.connect(endpoint)
        self.lost = 0

    def send(self, message: Upward) -> None:
        """Queue a message for the publisher; what does not fit, or comes after ``close``, is
        counted in ``lost``."""
        with self._lock:
            if self._socket.closed:
                self.lost += 1
                return
            try:
                self._socket.send(_encode(message), zmq.NOBLOCK)
            except zmq.Again:
                self.lost += 1

    def ask(self, hello: Hello, timeout_s: float) -> Grant | None:
        """Say hello and wait for the grant; None when nobody answers in time. Only before the
        first ``send`` of another thread: it waits with the lock held."""
        self.send(hello)
        with self._lock:
            if self._socket.closed or not self._socket.poll(int(timeout_s * 1000)):
                return None
            return _decode_grant(self._socket.recv())

    def close(self) -> None:
        """Return when the publisher has it all, or after ``FLUSH_S``; may be called twice."""
        with self._lock:
            self._socket.close()
            self._context.term()
