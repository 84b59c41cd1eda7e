"""A user's own loop feeds a stream: ``Feed`` in the user's program, ``Inbox`` in the robot's.

::

    from bindstream import Feed
    feed = Feed("my_camera", modality="vision")
    feed.push(frame)

Frames go over a ZeroMQ ipc socket under the runtime directory, so only programs of the same user
on the same machine can send. A message is two parts: a msgpack header and the raw array.
"""

from __future__ import annotations

import fcntl
import math
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, SupportsInt

import msgspec
import numpy as np
import zmq

from bindstream import depth, imu, sound, thermal
from bindstream.doubt import Doubt
from bindstream.errors import ConfigError, DeviceBusy, DeviceUnavailable, InvalidInput
from bindstream.runtime_dir import runtime_dir
from bindstream.stamp import whole_ns
from bindstream.types import SENSED, Array, Modality
from bindstream.wire import valid_name

FEED_VERSION = 1
MAX_BYTES = 1 << 27
"""The largest frame: 128 MiB, a colour picture of 44 megapixels."""
MAX_PATH_BYTES = 100
QUEUE = {Modality.AUDIO: 256, Modality.IMU: 1024}
"""Messages that may wait at the sender; of frames 4, at the receiver 2, so that none grows old."""
FORMS: dict[Modality, tuple[np.dtype[Any], str]] = {
    Modality.VISION: (np.dtype("uint8"), "(H, W, 3) uint8 RGB"),
    Modality.AUDIO: (np.dtype("<f4"), "(n,) float32 in [-1, 1], 16 kHz mono"),
    Modality.DEPTH: (np.dtype("<f4"), "(H, W) float32 metres, 0 = hole"),
    Modality.THERMAL: (np.dtype("<f4"), "(H, W) float32 kelvin"),
    Modality.IMU: (np.dtype("<f4"), "(6,) float32: m/s2, then rad/s"),
}


class Header(msgspec.Struct, kw_only=True):
    """What precedes the array. ``t_ns`` is Unix time or None; ``sent_ns`` is CLOCK_MONOTONIC."""

    v: int
    modality: str
    dtype: str
    shape: tuple[int, ...]
    t_ns: int | None
    sent_ns: int


class Received(msgspec.Struct, frozen=True):
    """One array out of an Inbox, with the sender's times as in Header."""

    data: Any
    t_ns: int | None
    sent_ns: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Header).decode


class Feed:
    """The sending end, in the user's program. ``push`` never blocks; ``dropped`` counts.

    Starts and outlives the robot: what is pushed while nobody receives is dropped. May be used
    from several threads. Raises ConfigError for a name outside [a-z0-9_-]{1,64} or a modality
    that no sensor has.
    """

    def __init__(self, name: str, modality: str = "vision") -> None:
        self.sent = 0
        self.dropped = 0
        self._modality = sensed(modality)
        path = address(name)
        self._lock = threading.Lock()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.SNDHWM, QUEUE.get(self._modality, 4))
        self._socket.set(zmq.IMMEDIATE, 1)  # nothing is kept for a robot that is not there
        self._socket.set(zmq.RECONNECT_IVL, 100)
        self._socket.connect(f"ipc://{path}")

    def push(self, data: Any, t_ns: SupportsInt | None = None) -> bool:
        """Send one frame, reading or chunk; True if it was taken, False if it was dropped.

        ``data`` by modality as in ``bindstream.Sample``; floats of another size are converted.
        ``t_ns``: its capture time, Unix ns of this machine (audio: of its first sample); None
        means that it was captured just now. Raises InvalidInput for data of another form, or a
        time that is no number; ValueError once the feed is closed.
        """
        sent_ns = time.monotonic_ns()
        array = formed(self._modality, data)
        t_ns = None if t_ns is None else whole_ns("t_ns", t_ns)
        if t_ns is None and self._modality is Modality.AUDIO:
            sent_ns -= len(array) * 1_000_000_000 // 16_000
        header = Header(
            v=FEED_VERSION,
            modality=self._modality.value,
            dtype=array.dtype.str,
            shape=array.shape,
            t_ns=t_ns,
            sent_ns=sent_ns,
        )
        return self._send([_encode(header), array.data])

    def close(self) -> None:
        """Close the socket; may be called twice."""
        with self._lock:
            self._socket.close()
            self._context.term()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, parts: Sequence[Any]) -> bool:
        try:
            with self._lock:
                if self._socket.closed:
                    raise ValueError("the feed is closed: nothing can be pushed any more")
                self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            self.dropped += 1
            return False
        self.sent += 1
        return True


class Inbox:
    """The receiving end, in the robot's program: the only one of its name on this machine.

    ``rejected`` counts messages that were not of the modality's form; ``why`` says what was wrong
    with the last. Raises DeviceUnavailable when another process holds the name.
    """

    def __init__(self, name: str, modality: str) -> None:
        self.rejected = 0
        self.why = ""
        self._modality = sensed(modality)
        path = address(name)
        self._lock = _hold(name, path.with_suffix(".lock"))
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PULL)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.RCVHWM, QUEUE.get(self._modality, 2))
        self._socket.set(zmq.MAXMSGSIZE, MAX_BYTES)
        try:
            self._socket.bind(f"ipc://{path}")
        except zmq.ZMQError as error:
            self.close()  # the lock too: else the name is busy for as long as this process lives
            raise DeviceUnavailable(name, f"no socket can be made at {path}: {error}") from error

    def receive(self, timeout_s: float) -> list[Received]:
        """All that came, oldest first; waits at most ``timeout_s`` for the first, [] for none."""
        received: list[Received] = []
        wait_ms = int(timeout_s * 1000)
        while len(received) < 4096 and self._socket.poll(wait_ms):
            wait_ms = 0
            parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            try:
                received.append(self._open([part.buffer for part in parts]))
            except (ValueError, TypeError, msgspec.MsgspecError, InvalidInput) as error:
                self.rejected += 1
                self.why = str(error)
        return received

    def close(self) -> None:
        """Release the name; may be called twice."""
        self._socket.close()
        self._context.term()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open(self, parts: Sequence[memoryview]) -> Received:
        if len(parts) != 2 or len(parts[0]) > 1024:
            raise ValueError(f"wanted a header and an array, got {len(parts)} parts")
        header = _decode(parts[0])
        if header.v != FEED_VERSION or header.modality != self._modality:
            raise ValueError(
                f"wanted {self._modality} of version {FEED_VERSION}, got {header.modality[:20]} "
                f"of version {header.v}"
            )
        dtype = FORMS[self._modality][0]
        if header.dtype != dtype.str or min(header.shape, default=0) < 0:
            raise ValueError(f"wanted dtype {dtype.str}, got {header.dtype[:20]}")
        if math.prod(header.shape) * dtype.itemsize != len(parts[1]):
            raise ValueError(f"{len(parts[1])} bytes are not an array of shape {header.shape}")
        data = np.frombuffer(parts[1], dtype).reshape(header.shape)
        return Received(formed(self._modality, data), header.t_ns, header.sent_ns)


def sensed(modality: str) -> Modality:
    """The modality of that name. Raises ConfigError unless a sensor can have it."""
    if not isinstance(modality, str) or modality not in SENSED:
        came = f"{modality!r:.80}" if isinstance(modality, str) else type(modality).__name__
        raise ConfigError(f"modality: wanted one of {', '.join(SENSED)}, got {came}")
    return Modality(modality)


def address(name: str) -> Path:
    """The socket of a fed stream. Raises ConfigError for a bad name or too long a path."""
    if not isinstance(name, str) or not valid_name(name):
        raise ConfigError(f"a stream's name is [a-z0-9_-]{{1,64}}, got {name!r}")
    path = runtime_dir() / f"feed-{name}.ipc"
    if len(os.fsencode(path)) >= MAX_PATH_BYTES:
        raise ConfigError(
            f"{path} is longer than {MAX_PATH_BYTES} bytes, too long for a socket; set "
            "BINDSTREAM_RUNTIME_DIR to a shorter folder"
        )
    return path


def formed(modality: Modality, data: Any) -> Array:
    """``data`` as a contiguous, finite array of the modality's form; NaN in depth is a hole.

    Raises InvalidInput, saying what was wanted and what came; also for values that no such sensor
    can give (`bindstream.depth`, `thermal`, `imu`, `sound` say which).
    """
    dtype, form = FORMS[modality]
    array = _array(modality, data)
    counts_as_float = "fi" if modality is Modality.IMU else "f"
    if dtype.kind == "f" and array.dtype.kind in counts_as_float:
        with np.errstate(over="ignore"):
            array = array.astype(dtype, copy=False)
    if array.dtype != dtype or not _fits(modality, array.shape) or array.nbytes > MAX_BYTES:
        raise InvalidInput(
            f"{modality}: wanted {form}, got {array.dtype} of shape {array.shape}; convert it first"
        )
    if modality is Modality.DEPTH:
        array = depth.holed(array)
    elif dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidInput(f"{modality}: wanted finite numbers, got NaN or infinity")
    if doubt := _doubt(modality, array):
        raise InvalidInput(f"{modality}: wanted {form}, got what cannot be: {doubt}")
    return np.ascontiguousarray(array)


def _array(modality: Modality, data: Any) -> Array:
    """Of whatever can be one; what a depth camera masked is a hole, no other pixel may be."""
    try:
        array = np.asarray(data)
    except Exception as error:  # a ragged list, a tensor on a GPU
        said = f"{type(data).__name__} is no array: {error!s:.200}"
        raise InvalidInput(f"{modality}: {said}") from error
    if not np.ma.is_masked(data):
        return array
    if modality is not Modality.DEPTH:
        count = int(np.ma.getmaskarray(data).sum())
        raise InvalidInput(f"{modality}: {count} values are masked; say what stands there")
    return np.where(np.ma.getmaskarray(data), array.dtype.type(0), array)


def _doubt(modality: Modality, array: Array) -> Doubt | str | None:
    """Why the values cannot be what they are taken for."""
    if modality is Modality.DEPTH:
        return depth.doubt(array)
    if modality is Modality.THERMAL:
        return thermal.doubt(array)
    if modality is Modality.AUDIO:
        return sound.doubt(array)
    return imu.reading_doubt(array) if modality is Modality.IMU else None


def _fits(modality: Modality, shape: tuple[int, ...]) -> bool:
    if modality is Modality.IMU:
        return shape == (6,)
    if modality is Modality.AUDIO:
        return len(shape) == 1 and shape[0] > 0
    if modality is Modality.VISION:
        return len(shape) == 3 and shape[2] == 3 and min(shape) > 0
    return len(shape) == 2 and min(shape) > 0


def _hold(name: str, path: Path) -> int:
    """Lock the name; ZeroMQ itself would let a second process take over the first one's socket."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DeviceBusy(name, f"{path} is busy: another program receives it") from error
    return lock
