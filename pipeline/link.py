"""The line between a stream's ingest and its robot's publisher, over ZeroMQ ipc."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import zmq

from bindstream.errors import ConfigError
from bindstream.runtime_dir import runtime_dir
from bindstream.types import Embedding, Tombstone
from pipeline.messages import (
    Downward,
    Grant,
    Hello,
    Introduce,
    Now,
    Opened,
    Resume,
    Settled,
    Upward,
    decode_downward,
    encode,
)
from pipeline.outbox import Outbox


def address(robot: str) -> str:
    """Where the robot's publisher listens for its own streams. Raises ConfigError when too long."""
    path = runtime_dir() / f"{robot}.ingest"
    if len(str(path)) >= 100:
        raise ConfigError(f"socket path {path} is over 99 bytes: set BINDSTREAM_RUNTIME_DIR")
    return f"ipc://{path}"


def lock_path(robot: str) -> Path:
    """The file whose lock makes one publisher per robot and host."""
    return runtime_dir() / f"{robot}.lock"


BACKLOG = 1000
"""Messages that ZeroMQ holds while the publisher is away; what is more waits in the outbox."""
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
        self._outbox = Outbox()
        self._hello: Hello | None = None
        self._grant: Grant | None = None
        self._life = ""
        self._lost = 0
        self.robot_ns = 0
        """The robot's time as the publisher told it last, where streams tell it."""

    @property
    def lost(self) -> int:
        """Messages that no publisher will ever get."""
        return self._lost + self._outbox.lost

    @property
    def unsettled(self) -> int:
        """Windows whose outcome no publisher has settled."""
        return self._outbox.unsettled

    def send(self, message: Upward) -> None:
        """Queue a message for the publisher. One about a window is kept until the publisher has
        settled it; another that does not fit, or comes after ``close``, is counted in ``lost``."""
        with self._lock:
            if self._socket.closed:
                self._lost += 1
                return
            self._hear()
            if isinstance(message, Opened | Embedding | Tombstone):
                self._outbox.add(message)
                self._flush()
            else:  # never before what was said of a window
                self._lost += not (self._flush() and self._put(message))

    def listen(self) -> None:
        """Take in what the publisher says; call it now and then. Never blocks."""
        with self._lock:
            if not self._socket.closed:
                self._hear()
                self._flush()

    def ask(self, hello: Hello, timeout_s: float) -> Grant | None:
        """Say hello and wait for the grant; None when nobody answers in time. Only before the
        first ``send`` of another thread: it waits with the lock held."""
        until_s = time.monotonic() + timeout_s
        self._hello = hello
        self.send(hello)
        with self._lock:
            while not self._socket.closed and self._grant is None:
                left_ms = int((until_s - time.monotonic()) * 1000)
                if left_ms <= 0 or not self._socket.poll(left_ms):
                    return None
                self._hear()
            return self._grant

    def close(self) -> None:
        """Return when the publisher has it all, or after ``FLUSH_S``; may be called twice."""
        with self._lock:
            self._socket.close()
            self._context.term()

    # with the lock ----------------------------------------------------------------------------

    def _put(self, message: Upward) -> bool:
        try:
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _flush(self) -> bool:
        return all(self._put(message) for message in self._outbox.unsent())

    def _hear(self) -> None:
        while self._socket.poll(0):
            self._answer(decode_downward(self._socket.recv()))

    def _answer(self, said: Downward) -> None:
        match said:
            case Grant():
                self._grant, self._life = said, said.life
                self._outbox.keeps_all = said.timing.time != "live"
            case Now(t_ns=t_ns):
                self.robot_ns = t_ns
            case Introduce(life=life, again=again) if again or life != self._life:
                self._resume(life)
            case Settled(epoch=epoch, seq=seq):
                if self._grant is not None and epoch == self._grant.epoch:
                    self._outbox.settle(seq)

    def _resume(self, life: str) -> None:
        """Tell a new publisher who we are; then, in order, all that its predecessor left open."""
        hello, grant = self._hello, self._grant
        if hello is None or grant is None:
            return
        resume = Resume(
            hello.stream,
            hello.instance,
            hello.about,
            grant.epoch,
            grant.offset_ns,
            self._outbox.next_seq,
            grant.timing,
        )
        if self._put(resume):
            self._life = life
            self._outbox.again()
            self._flush()
