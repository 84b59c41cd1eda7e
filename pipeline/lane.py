"""A stream's samples for a recorder, out of the thread that reads the sensor, over ZeroMQ ipc.

Nothing is copied or sent while nobody records. A recorder that is too slow costs samples of its
recording, never of the stream: each has a number, so that what is missing can be counted.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zmq

from bindstream.errors import ConfigError
from bindstream.runtime_dir import runtime_dir
from bindstream.types import Array, DepthMeta, Modality, Sample

VERSION = 1
QUEUE = {Modality.AUDIO: 512, Modality.IMU: 4096}
FRAMES = 24
"""Samples that wait at the stream's end, about ten seconds of sound or readings; of frames fewer,
since one may be megabytes: the recorder's own backlog is the larger one."""
LOOK_S = 0.05
"""How often is looked whether somebody records: asking ZeroMQ costs more than a reading does."""
LONGEST = 100
STAND_S = 1.0


class Passed(msgspec.Struct, frozen=True, array_like=True):
    """What precedes a sample's array. ``instance`` names the start of the stream, ``number`` counts
    its samples since somebody records; ``camera`` is fx_px and baseline_m of depth."""

    version: int
    instance: str
    number: int
    modality: Modality
    rate_hz: float
    t_ns: int
    arrival_ns: int
    dtype: str
    shape: tuple[int, ...]
    camera: tuple[float, float] | None = None


_log = logging.getLogger("ray.serve")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Passed).decode


def lane_address(robot: str, stream: str) -> Path:
    """The socket of a stream's lane; long names are hashed. Raises ConfigError where its path is
    too long nevertheless."""
    path = runtime_dir() / f"{robot}.{stream}.lane"
    if len(str(path)) >= LONGEST:
        named = f"{robot}/{stream}".encode()
        path = runtime_dir() / f"{hashlib.sha256(named).hexdigest()[:12]}.lane"
    if len(str(path)) >= LONGEST:
        raise ConfigError(
            f"socket path {path} is over {LONGEST - 1} bytes: set BINDSTREAM_RUNTIME_DIR"
        )
    return path


class Lane:
    """The stream's end. ``offer`` is called by one thread, never blocks and never raises.

    ``rate_hz`` tells the sensor's rate. ``refused`` counts the samples that no recorder took in
    time. Where there can be no lane the log says so, and so will who wants to record.
    """

    def __init__(
        self, robot: str, stream: str, modality: Modality, rate_hz: Callable[[], float]
    ) -> None:
        self.refused = 0
        self._modality, self._rate_hz = modality, rate_hz
        self._instance = uuid.uuid4().hex[:12]
        self._number = 0
        self._wanted = False
        self._looked_s = self._stood_s = time.monotonic()
        self._lock = threading.Lock()
        self._context = zmq.Context()
        self._socket: zmq.Socket[Any] = self._context.socket(zmq.XPUB)
        self._socket.set(zmq.XPUB_NODROP, 1)  # a full queue is told, not passed over
        self._socket.set(zmq.SNDHWM, QUEUE.get(modality, FRAMES))
        self._socket.set(zmq.LINGER, 0)
        self._path: Path | None = None
        try:
            self._path = lane_address(robot, stream)
            self._socket.bind(f"ipc://{self._path}")
        except (ConfigError, zmq.ZMQError) as error:
            _log.warning("stream '%s' cannot be recorded: %s", stream, error)

    def offer(self, samples: Sequence[Sample]) -> None:
        """Send samples on their way, oldest first, if somebody records."""
        with self._lock:
            if self._socket.closed:
                return
            try:
                self._look()
                for sample in samples if self._wanted else ():
                    self._send(sample)
            except (zmq.ZMQError, OSError):  # a recording's matter, not the stream's
                self.refused += len(samples)

    def close(self) -> None:
        """May be called twice, by any thread."""
        with self._lock:
            self._socket.close()
            self._context.term()

    def _look(self) -> None:
        """Whether somebody records; and whether the socket's file is still there."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        while self._socket.poll(0):
            self._wanted = self._socket.recv()[:1] == b"\x01"
        if self._path is not None and now_s - self._stood_s > STAND_S:
            self._stood_s = now_s
            if not self._path.exists():  # cleaned away, or taken along by one that drained
                self._socket.unbind(f"ipc://{self._path}")
                self._socket.bind(f"ipc://{self._path}")

    def _send(self, sample: Sample) -> None:
        data = np.ascontiguousarray(sample.data)
        meta = sample.meta
        header = Passed(
            VERSION,
            self._instance,
            self._number,
            self._modality,
            self._rate_hz(),
            sample.t_ns,
            sample.arrival_ns,
            data.dtype.str,
            data.shape,
            (meta.fx_px, meta.baseline_m) if isinstance(meta, DepthMeta) else None,
        )
        self._number += 1
        try:
            self._socket.send_multipart([_encode(header), data.data], zmq.NOBLOCK, copy=False)
        except zmq.Again:
            self.refused += 1


class Lanes:
    """The recorder's end: the lanes of the streams that are watched. Used by one thread.

    ``lost``: samples of each stream that were offered and never came.
    """

    def __init__(self) -> None:
        self.lost: dict[str, int] = {}
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._sockets: dict[Any, str] = {}
        self._next: dict[str, tuple[str, int]] = {}

    def watch(self, robot: str, stream: str) -> None:
        """From now on. Raises ConfigError where there can be no lane."""
        path = lane_address(robot, stream)
        if stream in self._sockets.values():
            return
        socket: zmq.Socket[Any] = self._context.socket(zmq.SUB)
        socket.set(zmq.RCVHWM, FRAMES)  # of whatever: the other end holds more where it is small
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RECONNECT_IVL, 100)
        socket.subscribe(b"")
        socket.connect(f"ipc://{path}")
        self._sockets[socket] = stream
        self._poller.register(socket, zmq.POLLIN)

    def heard(self, stream: str) -> bool:
        """Whether that stream ever gave a sample."""
        return stream in self._next

    def receive(self, timeout_s: float) -> list[tuple[Sample, Modality, float]]:
        """One sample of each stream that has some, with its modality and rate; [] for none."""
        ready = self._poller.poll(round(timeout_s * 1000))
        found = [self._take(socket) for socket, _ in ready]
        return [one for one in found if one is not None]

    def close(self) -> None:
        """Leave; may be called twice."""
        for socket in self._sockets:
            socket.close()
        self._context.term()

    def _take(self, socket: Any) -> tuple[Sample, Modality, float] | None:
        stream = self._sockets[socket]
        header, data = socket.recv_multipart(zmq.NOBLOCK, copy=False)
        try:
            told = _decode(header.buffer)
            array: Array = np.frombuffer(data.buffer, told.dtype).reshape(told.shape)
        except (msgspec.MsgspecError, ValueError, TypeError):  # of another version
            self.lost[stream] = self.lost.get(stream, 0) + 1
            return None
        self._count(stream, told)
        meta = DepthMeta(*told.camera) if told.camera else None
        sample = Sample(stream, told.t_ns, array, told.arrival_ns, meta)
        return sample, told.modality, told.rate_hz

    def _count(self, stream: str, told: Passed) -> None:
        instance, due = self._next.get(stream, ("", 0))
        if instance == told.instance and told.number > due:
            self.lost[stream] = self.lost.get(stream, 0) + told.number - due
        self._next[stream] = told.instance, told.number + 1
