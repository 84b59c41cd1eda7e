"""One start of a stream: what its publisher granted it, the time it goes by, how far it is."""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid

import msgspec

from bindstream.types import Stamped
from pipeline.clock import StreamClock
from pipeline.link import Link, address
from pipeline.messages import About, Grant, Hello, Progress
from pipeline.plan import StreamPlan

STEP_NS = 50_000_000
"""A stream tells how far it has come at least so often, of its own time."""
UNHEARD_LOG_EVERY = 20
UNHEARD = (
    "stream '%s': no publisher answers at %s on host %s; where Ray has several hosts, labels must "
    "pin both to one"
)
_log = logging.getLogger("ray.serve")


class Start:
    """Holds the grant, and the clock that goes with it: until ``meet`` has returned, one of its
    own. From then on any thread may use it. ``app``: the stream's own application."""

    def __init__(self, plan: StreamPlan, app: str, link: Link) -> None:
        deadline_ns = round(plan.deadline_s * 1e9)
        self._about = About(plan.modality, plan.hop_ns, deadline_ns, app=app)
        self._instance = uuid.uuid4().hex
        self._plan, self._link = plan, link
        self.grant = Grant(0, time.time_ns() - time.monotonic_ns())
        self.clock = StreamClock(self.grant.offset_ns)
        self._come_ns = self._told_ns = 0

    def meet(self, stop: threading.Event, starts_ns: int = 0) -> bool:
        """Ask until a publisher grants an epoch. False when told to stop before.

        ``starts_ns``: of a recording, when it begins.
        """
        about = msgspec.structs.replace(self._about, starts_ns=starts_ns)
        hello, unheard = Hello(self._plan.stream, self._instance, about), 0
        while not stop.is_set():
            grant = self._link.ask(hello, 1.0)
            if grant is not None:
                self.grant = grant
                self.clock = StreamClock(grant.offset_ns, grant.timing)
                return True
            unheard += 1
            if unheard % UNHEARD_LOG_EVERY == 0:
                host = socket.gethostname()
                _log.warning(UNHEARD, self._plan.stream, address(self._plan.robot), host)
        return False

    def now_ns(self) -> int:
        """The robot's clock."""
        return self.clock.now_ns(time.monotonic_ns())

    def stamp_ns(self, captured_ns: int) -> int:
        """Now, for what is done with a window captured then."""
        return self.clock.stamp_ns(time.monotonic_ns(), captured_ns)

    def stamp(self, seq: int = 0) -> Stamped:
        """What a window of this start is stamped with, but for its times."""
        return self._plan.stamp(self.grant.epoch, seq)

    def listen(self) -> None:
        """Take in what the publisher says; call it now and then. Never blocks."""
        self._link.listen()
        self.clock.hear(self._link.robot_ns)

    def come_to(self, done_ns: int) -> None:
        """All windows that end by then were opened; told in steps, where streams tell the time."""
        if self.clock.is_live:
            return
        self._come_ns = done_ns
        self.clock.come_to(done_ns)
        if abs(done_ns - self._told_ns) >= STEP_NS:
            self.progress()

    def progress(self, *, again: bool = False) -> None:
        """Tell what was not told of it; ``again``: a publisher may be new."""
        if self._come_ns and (again or self._come_ns != self._told_ns):
            self._told_ns = self._come_ns
            self._link.send(Progress(self._plan.stream, self.grant.epoch, self._come_ns))
