"""Another program of the robot's host tells its readers of something: it becomes an event."""

from __future__ import annotations

from typing import Any

import zmq

from pipeline.link import address
from pipeline.messages import Happened, encode

FLUSH_MS = 500


def announce(robot: str, stream: str, name: str, t_ns: int, detail: dict[str, Any]) -> None:
    """Through the robot's publisher, in the name of one of its streams, which it must know. Lost
    where no publisher hears it. Raises ConfigError where its socket's path is too long."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.set(zmq.LINGER, FLUSH_MS)
        socket.connect(address(robot))
        socket.send(encode(Happened(stream, name, t_ns, detail)))
