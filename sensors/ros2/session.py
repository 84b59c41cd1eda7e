"""A session of zenoh: to a router, or as the router of one's own."""

from __future__ import annotations

import errno
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bindstream.errors import MissingExtra

if TYPE_CHECKING:
    import zenoh

ROUTER = "tcp/127.0.0.1:7447"
"""Where ``ros2 run rmw_zenoh_cpp rmw_zenohd`` listens."""
CONNECT_S = 1.0
ANSWER_S = 0.5
ADDRESS = re.compile(r"(tcp|udp|tls|quic|ws)/\S+:\d{1,5}")
WANTED_ADDRESS = f"zenoh's address of a router, such as {ROUTER}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where ROS 2 is: the ``router`` to connect to, or the address to ``listen`` at as a router of
    one's own, and the domain (ROS_DOMAIN_ID)."""

    router: str = ROUTER
    listen: str | None = None
    domain_id: int = 0

    def __str__(self) -> str:
        return f"the router of our own at {self.listen}" if self.listen else self.router


def check(need: str) -> None:
    """Raises MissingExtra where a library of ROS 2 is not installed."""
    try:
        import rosbags.typesys  # noqa: F401
        import zenoh  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name).partition(".")[0], "ros2", need) from error


def opened(place: Place) -> zenoh.Session:
    """A session; takes a second at most. Raises ConnectionError where no router answers, OSError
    where the address to listen at cannot be had, both in words.

    A client, not a peer: rmw_zenoh's router does not hand on what passes between peers.
    """
    import zenoh

    try:
        return zenoh.open(_config(place))
    except zenoh.ZError as error:
        if place.listen is None:
            raise ConnectionError(
                f"no zenoh router answers at {place.router}: start it (ros2 run rmw_zenoh_cpp "
                "rmw_zenohd), or be the router (listen)"
            ) from error
        taken = "in use" in str(error)
        why = "another program listens there" if taken else f"zenoh says {error!s:.150}"
        number = errno.EADDRINUSE if taken else errno.EADDRNOTAVAIL
        raise OSError(number, f"cannot be a router at {place.listen}: {why}") from error


def has_router(session: zenoh.Session, place: Place) -> bool:
    """Whether what we are connected to is still there; a router of one's own always is."""
    return place.listen is not None or bool(session.info.routers_zid())


def tokens(session: zenoh.Session, key: str) -> list[str]:
    """The liveliness tokens that the router knows; as many as come within half a second."""
    replies = session.liveliness().get(key, timeout=ANSWER_S)
    return [str(reply.ok.key_expr) for reply in replies if reply.ok is not None]


def _config(place: Place) -> zenoh.Config:
    import zenoh

    told: dict[str, Any] = {
        "mode": "router" if place.listen else "client",
        "connect/endpoints": [] if place.listen else [place.router],
        "connect/timeout_ms": round(CONNECT_S * 1000),
        "listen/endpoints": [place.listen] if place.listen else [],
        "scouting/multicast/enabled": False,
        "transport/shared_memory/enabled": False,  # of no use without a robot that shares it
    }
    config = zenoh.Config()
    for key, value in told.items():
        config.insert_json5(key, json.dumps(value))
    return config
