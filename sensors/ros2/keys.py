"""Under which keys ROS 2's traffic passes a zenoh router, as rmw_zenoh has them. Pure.

Data: ``<domain>/<topic>/<type>/<hash of the type>``. Who publishes says so with a liveliness token:
``@ros2_lv/<domain>/<session>/<node>/<entity>/MP/<enclave>/<namespace>/<name of the node>/<topic>/``
``<type>/<hash>/<qos>``, a slash within a name written ``%``. ROS 2 Humble knows no hashes of types.

Source: https://github.com/ros2/rmw_zenoh/blob/rolling/docs/design.md and, for the tokens,
rmw_zenoh_cpp/src/detail/liveliness_utils.cpp there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NO_HASH = "TypeHashNotSupported"
"""What stands in the place of a type's hash where ROS 2 Humble publishes."""
ADMIN = "@ros2_lv"
PUBLISHERS = f"{ADMIN}/*/*/*/*/MP/**"
"""Every token of a publisher, of whichever domain."""
DEFAULT_QOS = "::,10:,:,:,,"
"""Reliable, volatile, the last 10 kept: what differs from rmw_zenoh's default stands there."""
DOMAINS = (0, 232)
_TOPIC = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
_DDS = re.compile(r"(\w+)::(\w+)::dds_::(\w+)_")


class Announced(NamedTuple):
    """A publisher, as its token says it."""

    domain_id: int
    node: str
    topic: str
    kind: str
    type_hash: str


def absolute(topic: str) -> str | None:
    """A topic with its leading slash; None for what is no name of a topic."""
    name = topic if topic.startswith("/") else f"/{topic}"
    return name if _TOPIC.fullmatch(name) and "__" not in name else None


def mangled(kind: str) -> str:
    """``sensor_msgs/msg/Imu`` as ROS 2 writes it in keys."""
    package, folder, name = kind.split("/")
    return f"{package}::{folder}::dds_::{name}_"


def demangled(dds: str) -> str:
    """The other way round; what is no such name stays as it is."""
    found = _DDS.fullmatch(dds)
    return "/".join(found.groups()) if found else dds


def data_key(domain_id: int, topic: str, kind: str | None = None, type_hash: str = "*") -> str:
    """Where a topic's messages pass; of any type, and any hash of it, unless told."""
    return f"{domain_id}{topic}/{'*' if kind is None else mangled(kind)}/{type_hash}"


def kind_and_hash(key: str) -> tuple[str, str]:
    """Of the key that a message came under."""
    _, dds, type_hash = key.rsplit("/", 2)
    return demangled(dds), type_hash


class Node(NamedTuple):
    """A node of ours: its domain, its zenoh session's id, namespace (``/`` or ``/r2``) and name."""

    domain_id: int
    session: str
    namespace: str
    name: str

    def token(self) -> str:
        """What says that it is there."""
        return f"{ADMIN}/{self.domain_id}/{self.session}/0/0/NN/%/{self._place}"

    def publisher_token(self, number: int, topic: str, kind: str, type_hash: str) -> str:
        """What says that it publishes a topic; ``number``: of the publisher, none twice."""
        told = f"{_flat(topic)}/{mangled(kind)}/{type_hash}/{DEFAULT_QOS}"
        place = f"{ADMIN}/{self.domain_id}/{self.session}/0/{number}"
        return f"{place}/MP/%/{self._place}/{told}"

    @property
    def _place(self) -> str:
        return f"{_flat(self.namespace)}/{self.name}"


def announced(token: str) -> Announced | None:
    """What a publisher's token says; None for another kind of token, or none."""
    parts = token.split("/")
    if len(parts) < 12 or parts[0] != ADMIN or parts[5] != "MP" or not parts[1].isdigit():
        return None
    namespace, name, topic = (part.replace("%", "/") for part in parts[7:10])
    node = f"{namespace.rstrip('/')}/{name}"
    return Announced(int(parts[1]), node, topic, demangled(parts[10]), parts[11])


def _flat(name: str) -> str:
    return name.replace("/", "%")
