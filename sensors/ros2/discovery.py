"""Which topics of ROS 2 there are, by what their publishers announce at a router."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from bindstream.types import Modality
from sensors.ros2 import definitions as ros
from sensors.ros2 import keys
from sensors.ros2.keys import Announced
from sensors.ros2.session import Place, opened, tokens

if TYPE_CHECKING:
    import zenoh

LOCAL = ("127.0.0.1", 7447)
"""Where rmw_zenohd listens."""
PROBE_S = 0.2


class Found(NamedTuple):
    """A topic that the driver reads: options that name it, who publishes it and as what."""

    options: dict[str, Any]
    node: str
    kind: str


def publishers(session: zenoh.Session) -> list[Announced]:
    """All that are announced, of whichever topic and domain."""
    try:
        told = tokens(session, keys.PUBLISHERS)
    except Exception:  # zenoh's own, where the router went meanwhile
        told = []
    return [one for one in map(keys.announced, told) if one is not None]


def readable(host: str, port: int) -> Iterator[Found]:
    """What a router there knows and the driver reads, each topic once; nothing where nobody
    listens. Raises ConnectionError for what is no router of zenoh, ModuleNotFoundError."""
    try:
        socket.create_connection((host, port), PROBE_S).close()
    except OSError:
        return
    place = Place(f"tcp/{host}:{port}")
    with opened(place) as session:
        known = publishers(session)
    topics = {(one.domain_id, one.topic): one for one in known}
    for one in sorted(topics.values()):
        if modality := _modality(one):
            options: dict[str, Any] = {"topic": one.topic, "modality": str(modality)}
            if one.domain_id:
                options["domain_id"] = one.domain_id
            yield Found(options, one.node, one.kind)


def _modality(one: Announced) -> Modality | None:
    """What a topic most likely shows, by its type and name; None for what no driver reads."""
    fixed = {
        ros.IMU: Modality.IMU,
        ros.AUDIO_DATA: Modality.AUDIO,
        ros.AUDIO_STAMPED: Modality.AUDIO,
    }
    if one.kind in (ros.IMAGE, ros.COMPRESSED):
        named = (m for m in (Modality.DEPTH, Modality.THERMAL) if str(m) in one.topic.lower())
        return next(named, Modality.VISION)
    return fixed.get(one.kind)
