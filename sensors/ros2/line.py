"""One subscription to one topic, from opening to closing."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from bindstream.errors import DeviceBusy, DeviceUnavailable
from sensors.driver import Clock
from sensors.ros2 import keys
from sensors.ros2.arrivals import Arrivals, Arrived
from sensors.ros2.discovery import publishers
from sensors.ros2.keys import Announced
from sensors.ros2.session import Place, has_router, opened

FIRST_S, FIRST_OF_OURS_S = 2.0, 7.0
"""Nodes that lost their router, or had none, try again every four seconds."""
MEASURE_S, LONGEST_S, LEAST = 0.5, 2.0, 5
"""The rate is measured over half a second and five messages, or over two seconds."""


class Line:
    """Open when made; at most ``most`` messages wait. Raises DeviceUnavailable where no router is,
    DeviceBusy where the address to listen at is taken."""

    def __init__(self, stream: str, topic: str, place: Place, now_ns: Clock, most: int) -> None:
        self.arrivals = Arrivals(now_ns, most)
        self._place = place
        try:
            self._session = opened(place)
        except ConnectionError as error:
            raise DeviceUnavailable(stream, str(error)) from error
        except OSError as error:
            what = f"{error.strerror}; let one stream listen, and the others have it as router"
            raise DeviceBusy(stream, what) from error
        try:
            key = keys.data_key(place.domain_id, topic)
            self._subscriber: Any = self._session.declare_subscriber(key, self.arrivals.put)
        except BaseException:
            self.close()
            raise

    def first(self) -> Arrived | None:
        """The first message; None where none came in two seconds (seven, where we are the router
        and nodes have yet to find us)."""
        came = self.arrivals.take(FIRST_OF_OURS_S if self._place.listen else FIRST_S)
        return came[-1] if came else None

    def listen(self) -> list[Arrived]:
        """What comes while the rate is measured."""
        start_s, seen = time.monotonic(), list[Arrived]()
        while (elapsed_s := time.monotonic() - start_s) < LONGEST_S:
            if elapsed_s >= MEASURE_S and self.arrivals.came >= LEAST:
                break
            seen += self.arrivals.take(0.1)
        return seen

    def publishers(self) -> list[Announced]:
        """All that are announced, of whichever topic and domain."""
        return publishers(self._session)

    @property
    def is_cut(self) -> bool:
        """Whether the router is gone."""
        return not has_router(self._session, self._place)

    def close(self) -> None:
        """Leave; whatever the router does meanwhile."""
        with contextlib.suppress(Exception):  # a session that is broken already
            self._session.close()  # type: ignore[no-untyped-call]
