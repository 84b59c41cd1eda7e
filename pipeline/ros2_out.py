"""The Serve shell of a robot's way back to ROS 2: a reader like any other, in a process of its own.

It subscribes to the publisher's address and says what it hears on ROS 2's topics. Whatever zenoh
or a router does, the publisher and the streams do not notice.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from bindstream.subscriber import Subscriber
from bindstream.wire import Message
from sensors.ros2.mouth import Mouth
from sensors.ros2.session import Place

_log = logging.getLogger("ray.serve")
RETRY_S = 2.0
LOOK_S = 1.0
POLL_S = 0.2
HUNG_S = 30.0


@dataclass(frozen=True, slots=True)
class Ros2Plan:
    """Whose words, where they are published for readers, and where ROS 2 is."""

    robot: str
    endpoint: str
    place: Place
    namespace: str
    hashes: bool = True


class Ros2Out:
    """A Serve deployment (``deploy.app`` makes it one)."""

    def __init__(self, plan: Ros2Plan) -> None:
        self._plan = plan
        self._stop = threading.Event()
        self._beat_s = time.monotonic()
        self._counts = {"said": 0, "unsent": 0, "refused": 0, "lost": 0}
        self._why = "not connected yet"
        self._topics: list[str] = []
        self._thread = threading.Thread(target=self._run, name="ros2", daemon=True)
        self._thread.start()

    def status(self) -> dict[str, Any]:
        """``said`` messages; ``unsent``: while no router was there; ``refused`` by zenoh; ``lost``
        between the publisher and here. ``why``: "" while all is well."""
        place = str(self._plan.place)
        return {"place": place, "why": self._why, "topics": self._topics, **self._counts}

    def check_health(self) -> None:
        """Raise when the thread is dead or hangs."""
        if self._stop.is_set():
            return
        if not self._thread.is_alive():
            raise RuntimeError(f"robot '{self._plan.robot}': the thread of ROS 2 is dead")
        still_s = time.monotonic() - self._beat_s
        if still_s > HUNG_S:
            raise RuntimeError(
                f"robot '{self._plan.robot}': the thread of ROS 2 has hung for {still_s:.0f} s"
            )

    def __del__(self) -> None:
        """Serve's stop hook."""
        self.close()

    def close(self) -> None:
        """Take back what was announced; returns within some seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        robot = self._plan.robot
        topics = [f"{kind}/{robot}/" for kind in ("embedding", "scene", "event")]
        mouth: Mouth | None = None
        tried_s = looked_s = float("-inf")
        with Subscriber(self._plan.endpoint, topics, tombstones=True) as reader:
            while not self._stop.is_set():
                now_s = self._beat_s = time.monotonic()
                if mouth is None and now_s - tried_s > RETRY_S:
                    mouth, tried_s = self._connected(), now_s
                if mouth is not None and now_s - looked_s > LOOK_S:
                    looked_s = now_s
                    self._look(mouth, reader)
                message = reader.receive(POLL_S)
                if message is not None:
                    self._say(mouth, message)
        if mouth is not None:
            mouth.close()

    def _connected(self) -> Mouth | None:
        plan = self._plan
        try:
            mouth = Mouth(plan.place, plan.namespace, hashes=plan.hashes)
        except Exception as error:  # no router yet, or one that zenoh does not like
            self._become(str(error) or type(error).__name__)
            return None
        self._become("")
        return mouth

    def _look(self, mouth: Mouth, reader: Subscriber) -> None:
        self._become("" if mouth.is_heard else f"the router at {self._plan.place} is gone")
        self._counts["lost"] = int(reader.stats()["lost"])
        self._topics = sorted(mouth.topics)

    def _say(self, mouth: Mouth | None, message: Message) -> None:
        if mouth is None or self._why:
            self._counts["unsent"] += 1
            return
        try:
            self._counts["said"] += mouth.say(message)
        except Exception as error:  # a vector or word that CDR does not take; zenoh's own
            self._counts["refused"] += 1
            _log.warning("robot '%s': ros2: %s: %s", self._plan.robot, type(error).__name__, error)

    def _become(self, why: str) -> None:
        if why and why != self._why:
            _log.warning("robot '%s': ros2: %s", self._plan.robot, why)
        self._why = why
