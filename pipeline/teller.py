"""What a stream tells its publisher: the windows, their outcomes, its state, and what happens."""

from __future__ import annotations

import logging
import socket
import threading
import time
import uuid

from bindstream.types import Embedding, Encoding, Reason, Stamped, Tombstone, Window
from pipeline.border import plain
from pipeline.link import Link, address
from pipeline.messages import About, Bye, Grant, Happened, Hello, Opened, State
from pipeline.plan import StreamPlan

COMPLAIN_EVERY_S = 1.0
UNHEARD_LOG_EVERY = 20
UNHEARD = (
    "stream '%s': no publisher answers at %s on host %s; where Ray has several hosts, labels must "
    "pin both to one"
)
_log = logging.getLogger("ray.serve")


class Teller:
    """One start of a stream, in front of its publisher: holds what it was granted, and the clock
    that goes with it. May be used by any thread once ``meet`` has returned."""

    def __init__(self, plan: StreamPlan, app: str) -> None:
        deadline_ns = round(plan.deadline_s * 1e9)
        about = About(plan.modality, plan.hop_ns, deadline_ns, app=app)
        self._hello = Hello(plan.stream, uuid.uuid4().hex, about)
        self._plan = plan
        self._link = Link(address(plan.robot))
        self.grant = Grant(0, time.time_ns() - time.monotonic_ns())
        self._complained_s: dict[str, float] = {}

    def meet(self, stop: threading.Event) -> bool:
        """Ask until a publisher grants an epoch. False when told to stop before."""
        unheard = 0
        while not stop.is_set():
            grant = self._link.ask(self._hello, 1.0)
            if grant is not None:
                self.grant = grant
                return True
            unheard += 1
            if unheard % UNHEARD_LOG_EVERY == 0:
                host = socket.gethostname()
                _log.warning(UNHEARD, self._plan.stream, address(self._plan.robot), host)
        return False

    def now_ns(self) -> int:
        """The robot's clock."""
        return time.monotonic_ns() + self.grant.offset_ns

    def listen(self) -> None:
        """Take in what the publisher says; call it now and then. Never blocks."""
        self._link.listen()

    def stamp(self, seq: int = 0) -> Stamped:
        """What a window of this start is stamped with, but for its times."""
        return Stamped(
            robot=self._plan.robot,
            stream=self._plan.stream,
            modality=self._plan.modality,
            epoch=self.grant.epoch,
            seq=seq,
            start_ns=0,
            end_ns=0,
        )

    def opened(self, window: Stamped) -> None:
        """A window was cut, or a hole was found; exactly one outcome must follow."""
        self._link.send(Opened(**window.stamp()))

    def encoded(self, window: Window, encoding: Encoding) -> None:
        """Its outcome: a vector, which ``encoding`` has."""
        assert encoding.vector is not None  # noqa: S101 - else it is dropped
        self._link.send(
            Embedding(
                **window.stamp(),
                captured_ns=window.captured_ns,
                windowed_ns=window.windowed_ns,
                encoded_ns=self.now_ns(),
                queue_ms=encoding.queue_ms,
                encode_ms=encoding.encode_ms,
                n_missing=window.n_missing,
                space_id=encoding.space_id,
                encoder_id=encoding.encoder_id,
                vector=encoding.vector,
            )
        )

    def dropped(self, window: Stamped, reason: Reason) -> None:
        """Its outcome: none."""
        self._link.send(Tombstone(**window.stamp(), reason=reason))

    def happened(self, name: str, why: str) -> None:
        """Every reader is told of it, as an event."""
        detail = {"stream": self._plan.stream, "why": why}
        self._link.send(Happened(self._plan.stream, name, self.now_ns(), detail))

    def complain(self, name: str, error: Exception) -> None:
        """An event, once a second at most: a fault may come with every sample."""
        now_s = time.monotonic()
        if now_s - self._complained_s.get(name, 0.0) >= COMPLAIN_EVERY_S:
            self._complained_s[name] = now_s
            said = plain(str(error)).strip().splitlines() or [""]
            self.happened(name, f"{type(error).__name__}: {said[-1]}"[:300])

    def state(
        self,
        state: str,
        why: str,
        *,
        rate_hz: float,
        wanted_rate_hz: float,
        counters: dict[str, int],
    ) -> None:
        """How it is; call it once a second, and at every change."""
        self._link.send(
            State(
                stream=self._plan.stream,
                epoch=self.grant.epoch,
                offset_ns=self.grant.offset_ns,
                state=state,
                why=why,
                rate_hz=rate_hz,
                wanted_rate_hz=wanted_rate_hz,
                counters={**counters, "link_lost": self._link.lost},
            )
        )

    def bye(self) -> None:
        """Nothing follows. Returns once the publisher has it all, or after the link's flush."""
        self._link.send(Bye(self._plan.stream, self.grant.epoch))
        self._link.close()
