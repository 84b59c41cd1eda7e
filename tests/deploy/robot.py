"""A publisher on a real socket: what a robot's publisher sends, without a robot behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

import zmq

from bindstream import wire
from bindstream.types import Reason
from bindstream.wire import Message
from tests.deploy import messages

Script = Callable[[int], list[Message]]


def everything(tick: int) -> list[Message]:
    """One stream and its scene; every fifth window is dropped; health and events too."""
    first = messages.tombstone(tick, Reason.LATE) if tick % 5 == 4 else messages.embedding(tick)
    return [first, messages.scene(tick), messages.health(), messages.event()]


class Robot:
    """Sends ``script(0)``, ``script(1)``, ... every ``period_s`` once somebody subscribes."""

    def __init__(self, script: Script = everything, period_s: float = 0.01) -> None:
        self._script, self._period_s = script, period_s
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)

    def _publish(self) -> None:
        while not self._stop.is_set() and not self._socket.poll(50):
            pass
        tick = 0
        while not self._stop.wait(self._period_s):
            for message in self._script(tick):
                self._socket.send_multipart(wire.encode(message))
            tick += 1

    def __enter__(self) -> Robot:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()
        self._context.term()
