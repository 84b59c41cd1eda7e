"""Why nothing came from an endpoint: nobody there, no publisher, or nothing of what was asked.

Asks the endpoint itself, on a socket of its own. Works in the base install.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import zmq
from zmq.utils.monitor import recv_monitor_message

from bindstream.command.nearest import did_you_mean

LOOK_S = 2.0
"""A robot says its health once a second."""
START = "Start a robot: bindstream run"
_SHOWN = 8


@dataclass(slots=True)
class Found:
    """What an endpoint did within LOOK_S: ``topics`` are those that messages came on."""

    known_host: bool = True
    refused: bool = False
    connected: bool = False
    publisher: bool = False
    topics: set[str] = field(default_factory=set)


def why_nothing(endpoint: str, topics: Iterable[str]) -> str:
    """One sentence on why nobody heard anything on ``topics`` at ``endpoint``."""
    return explain(look(endpoint), endpoint, list(topics))


def look(endpoint: str, seconds: float = LOOK_S) -> Found:
    """Connect, ask for everything, and note what happens until something came or time is up."""
    found = Found(known_host=_resolves(endpoint))
    if not found.known_host:
        return found
    with zmq.Context() as context, context.socket(zmq.SUB) as reader:
        reader.setsockopt(zmq.LINGER, 0)
        reader.subscribe(b"")
        with reader.get_monitor_socket() as monitor:
            reader.connect(endpoint)
            _watch(found, reader, monitor, time.monotonic() + seconds)
            reader.disable_monitor()
    return found


def explain(found: Found, endpoint: str, asked: list[str]) -> str:
    """What was found -> one sentence."""
    if not found.known_host:
        return f"no machine is known as '{urlsplit(endpoint).hostname}'"
    if found.publisher and found.topics:
        return _other_topics(found.topics, asked)
    if found.publisher:
        return "a publisher is there and sends nothing; is it a robot's?"
    if found.connected:
        return "something listens there that is no publisher of ours; is the port right?"
    if found.refused:
        return f"nobody listens there. {START}"
    return "no answer from there: the machine is off, or a firewall keeps it silent"


def _other_topics(topics: set[str], asked: list[str]) -> str:
    words = " ".join(repr(topic) for topic in asked)
    kinds = {f"{topic.partition('/')[0]}/" for topic in topics}
    near = "".join(did_you_mean(topic, topics | kinds) for topic in asked[:1] if topic not in kinds)
    shown = sorted(topics)[:_SHOWN]
    more = f" and {len(topics) - _SHOWN} more" if len(topics) > _SHOWN else ""
    nothing = f"a robot publishes there, but nothing on {words}{near or '.'}"
    return f"{nothing} It sends {', '.join(shown)}{more}"


def _watch(found: Found, reader: Any, monitor: Any, until_s: float) -> None:
    poller = zmq.Poller()
    poller.register(reader, zmq.POLLIN)
    poller.register(monitor, zmq.POLLIN)
    while (left_s := until_s - time.monotonic()) > 0:
        ready = dict(poller.poll(max(1, int(left_s * 1e3))))
        if monitor in ready:
            _note(found, recv_monitor_message(monitor)["event"])
        if reader in ready:
            found.topics.add(reader.recv_multipart()[0].decode(errors="replace"))
        if found.refused and not found.connected:
            return


def _note(found: Found, event: int) -> None:
    if event == zmq.EVENT_CONNECTED:
        found.connected = True
    elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        found.publisher = True
    elif event in (zmq.EVENT_CLOSED, zmq.EVENT_CONNECT_RETRIED):
        found.refused = True


def _resolves(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    if parts.scheme != "tcp":
        return True
    try:
        return bool(socket.getaddrinfo(parts.hostname, parts.port))
    except (OSError, ValueError):
        return False
