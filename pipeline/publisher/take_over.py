"""What a publisher must have to itself, and a predecessor may not have let go of yet."""

from __future__ import annotations

import fcntl
import time
from typing import IO, Any

import zmq

from pipeline.link import lock_path

TAKE_OVER_S = 10.0
"""How long a predecessor may take before its successor gives up."""
SUBSCRIBER_BACKLOG = 1000


def robot_lock(robot: str) -> IO[str]:
    """The lock that makes us this robot's one publisher here. Raises RuntimeError after a wait."""
    file = lock_path(robot).open("w")
    until_s = time.monotonic() + TAKE_OVER_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until_s:
                file.close()
                raise RuntimeError(
                    f"robot '{robot}' already has a publisher on this machine: "
                    "give this one another 'name' in the args of its application"
                ) from None
            time.sleep(0.1)
        else:
            return file


def readers(context: zmq.Context[Any], endpoint: str) -> zmq.Socket[Any]:
    """XPUB with bounds. Raises zmq.ZMQError when the address stays taken."""
    socket: zmq.Socket[Any] = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.IPV6, "[" in endpoint)
    socket.setsockopt(zmq.SNDHWM, SUBSCRIBER_BACKLOG)
    socket.setsockopt(zmq.MAXMSGSIZE, 512)  # a peer may subscribe, not send us megabytes
    socket.setsockopt(zmq.HANDSHAKE_IVL, 2000)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    until_s = time.monotonic() + TAKE_OVER_S
    while True:
        try:
            socket.bind(endpoint)
        except zmq.ZMQError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.2)
        else:
            return socket
