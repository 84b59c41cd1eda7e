"""The publisher's end of the line to its robot's streams: a ROUTER that reads a backlog whole."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import zmq

from bindstream.types import Embedding
from pipeline.messages import Downward, Settled, Upward, decode_upward, encode

AT_ONCE = 4096
"""Messages taken in one go; more than a stream's whole backlog."""
BACKLOG_NS = 300_000_000
QUIET_MS = 50
GATHER_S = 1.0
"""A vector that waited so long is part of a backlog: all of it is read, until the line is quiet
or for so long, before the newest is chosen."""


class Inbox:
    """Owns the socket, and is used by one thread.

    ``now_ns`` is the robot's clock; ``refuse`` is called with the error of each message that is
    none of ours. ``gathers``: a backlog is read whole, because only its newest counts. Raises
    zmq.ZMQError where ``endpoint`` cannot be bound.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        endpoint: str,
        now_ns: Callable[[], int],
        refuse: Callable[[Exception], None],
        *,
        gathers: bool = True,
    ) -> None:
        self.socket: zmq.Socket[Any] = context.socket(zmq.ROUTER)
        self.socket.bind(endpoint)
        self._endpoint = endpoint
        self._now_ns, self._refuse, self._gathers = now_ns, refuse, gathers
        self._senders: dict[str, bytes] = {}

    def stand(self) -> None:
        """Be reached again where somebody cleaned the socket's file away, or a stream that starts
        would ask for ever. Those that are connected notice nothing. Raises OSError or
        zmq.ZMQError where it cannot be made."""
        path = Path(self._endpoint.removeprefix("ipc://"))
        if path.exists():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(zmq.ZMQError):  # it stands no more, if the last try failed
            self.socket.unbind(self._endpoint)
        self.socket.bind(self._endpoint)

    def take(self) -> list[tuple[bytes, Upward]]:
        """What has arrived, with its sender; with a backlog, all that still comes at once."""
        heard = self._arrived()
        until_s = time.monotonic() + GATHER_S
        while self._is_backlog(heard) and len(heard) < AT_ONCE and time.monotonic() < until_s:
            if not self.socket.poll(QUIET_MS):
                break
            heard += self._arrived()
        return heard

    def reply(self, sender: bytes, message: Downward) -> None:
        """To one stream; lost where it is gone."""
        self.socket.send_multipart([sender, encode(message)])

    def know(self, stream: str, sender: bytes) -> None:
        """Remember where a stream's newest start is reached."""
        self._senders[stream] = sender

    def settle(self, news: Mapping[str, tuple[int, int]]) -> None:
        """Tell the streams up to which (epoch, seq) they may forget."""
        for stream, (epoch, seq) in news.items():
            if stream in self._senders:
                self.reply(self._senders[stream], Settled(epoch, seq))

    def tell_all(self, message: Downward) -> None:
        """To every stream that is known."""
        for sender in self._senders.values():
            self.reply(sender, message)

    def _arrived(self) -> list[tuple[bytes, Upward]]:
        heard: list[tuple[bytes, Upward]] = []
        for _ in range(AT_ONCE):
            try:
                sender, *parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            try:
                (raw,) = parts
                heard.append((sender, decode_upward(raw)))
            except Exception as error:  # one message does not silence the robot
                self._refuse(error)
        return heard

    def _is_backlog(self, heard: list[tuple[bytes, Upward]]) -> bool:
        if not self._gathers:
            return False
        before_ns = self._now_ns() - BACKLOG_NS
        return any(isinstance(m, Embedding) and m.encoded_ns < before_ns for _, m in heard)


def newest_vectors(heard: list[tuple[bytes, Upward]]) -> dict[str, tuple[int, int]]:
    """Per stream the (epoch, seq) of the newest vector among these messages."""
    newest: dict[str, tuple[int, int]] = {}
    for _, m in heard:
        if isinstance(m, Embedding):
            newest[m.stream] = max(newest.get(m.stream, (0, 0)), (m.epoch, m.seq))
    return newest
