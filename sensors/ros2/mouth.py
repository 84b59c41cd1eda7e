"""What a robot says, as a node of ROS 2: a topic for each stream's vectors, scenes and events.

``NAMESPACE/STREAM/embedding``, ``NAMESPACE/STREAM/dropped``, ``NAMESPACE/scene`` and
``NAMESPACE/events``, of the types of ``definitions.OURS``, reliable and volatile, the last 10 kept.
Each is announced by a liveliness token, so that ``ros2 topic list`` shows it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from typing import Any

from bindstream.wire import Message
from sensors.ros2 import definitions as ros
from sensors.ros2 import keys
from sensors.ros2.attachment import Attachment, sender_of
from sensors.ros2.names import token
from sensors.ros2.sayings import said
from sensors.ros2.session import Place, has_router, opened

NODE = "bindstream"
AT_ONCE = (("scene", ros.SCENE), ("events", ros.EVENT))
"""Topics of every robot, announced before anything is said."""


class Mouth:
    """A node named ``bindstream`` in ``namespace`` (``/`` or such as ``/rover``).

    ``hashes`` False: keys as ROS 2 Humble has them. Raises ConnectionError or OSError as
    ``session.opened``; where the router goes and comes back, zenoh announces all anew.
    """

    def __init__(self, place: Place, namespace: str, *, hashes: bool = True) -> None:
        self._place, self._namespace, self._hashes = place, namespace, hashes
        self._session = opened(place)
        session_id = str(self._session.zid())
        self._node = keys.Node(place.domain_id, session_id, namespace, NODE)
        self._voices: dict[str, _Voice] = {}
        self._places: dict[str, str] = {}
        try:
            self._token = self._session.liveliness().declare_token(self._node.token())
            for part, kind in AT_ONCE:
                self._voice(part, kind)
        except BaseException:
            self.close()
            raise

    @property
    def is_heard(self) -> bool:
        """Whether a router is there to hand it on."""
        return has_router(self._session, self._place)

    @property
    def topics(self) -> Iterable[str]:
        """All that were announced so far."""
        return self._voices.keys()

    def say(self, message: Message) -> bool:
        """Hand a message to zenoh, which never waits for a reader: what a link cannot take it
        drops. False for what ROS is not told (health)."""
        found = said(message)
        if found is None:
            return False
        part, kind, _, data = found
        stream = getattr(message, "stream", "")
        self._voice(f"{self._place_of(stream)}/{part}" if stream else part, kind).put(data)
        return True

    def close(self) -> None:
        """Leave, and take back what was announced; whatever the router does meanwhile."""
        with contextlib.suppress(Exception):  # a session that is broken already
            self._session.close()  # type: ignore[no-untyped-call]

    def _place_of(self, stream: str) -> str:
        """Each stream has its own, also where names differ by a dash alone."""
        if stream not in self._places:
            place = token(stream)
            while place in self._places.values():
                place += "_"
            self._places[stream] = place
        return self._places[stream]

    def _voice(self, part: str, kind: str) -> _Voice:
        topic = f"{self._namespace.rstrip('/')}/{part}"
        if topic not in self._voices:
            type_hash = ros.type_hash(kind) if self._hashes else keys.NO_HASH
            key = keys.data_key(self._place.domain_id, topic, kind, type_hash)
            number = len(self._voices) + 1
            said_to_be = self._node.publisher_token(number, topic, kind, type_hash)
            self._voices[topic] = _Voice(self._session, key, said_to_be)
        return self._voices[topic]


class _Voice:
    """One topic's publisher, and the token that announces it."""

    def __init__(self, session: Any, key: str, announced: str) -> None:
        self._publisher = session.declare_publisher(key)
        self._token = session.liveliness().declare_token(announced)
        self._sender, self._number = sender_of(announced), 0

    def put(self, data: bytes) -> None:
        self._number += 1
        told = Attachment(self._number, time.time_ns(), self._sender)
        self._publisher.put(data, attachment=told.packed())
