"""The publisher's mouth: one XPUB socket for all of a robot's readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import zmq

from bindstream import wire
from bindstream.wire import Message
from pipeline.plan import RobotPlan
from pipeline.publisher import take_over
from pipeline.publisher.host_clock import HostClock


class Readers:
    """Used by the thread that owns the sockets. Raises zmq.ZMQError where its address stays
    taken."""

    def __init__(self, context: zmq.Context[Any], plan: RobotPlan, clock: HostClock) -> None:
        self._dtype, self._clock = plan.dtype, clock
        self._live = plan.timing.time == "live"
        self.socket = take_over.readers(context, plan.endpoint)

    def tell(self, messages: Sequence[Message]) -> None:
        """All of them, at once."""
        for message in messages:
            if self._live:
                frames = wire.encode(message, self._dtype, self._clock.offset_ns)
            else:  # which has nothing to do with anybody's clock
                frames = wire.encode(message, self._dtype, time="streams")
            self.socket.send_multipart(frames)

    def listen(self) -> None:
        """Take in a subscription; nothing hangs on it."""
        self.socket.recv()
