"""The publisher's ear: takes what streams say, answers them, and gives what readers are told."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import zmq

from bindstream.types import Embedding
from bindstream.wire import Message
from pipeline.link import address
from pipeline.messages import Hello, Introduce, Now, Resume, State, Upward
from pipeline.publisher.host_clock import HostClock
from pipeline.publisher.inbox import Inbox, newest_vectors
from pipeline.publisher.publication import Publication

REJOIN_S = 1.0
"""Readers of a predecessor need so long to reconnect: only then are its streams asked what it left
open, or nobody would hear the answer."""
ASK_AGAIN_S = 2.0
"""A stream that was asked and is not known by then did not hear it, or its answer got lost."""
_log = logging.getLogger("ray.serve")


class Hearing:
    """Used by the thread that owns the sockets. ``life`` names this start of the publisher.

    Raises zmq.ZMQError where the robot's address cannot be bound.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        robot: str,
        publication: Publication,
        clock: HostClock,
        life: str,
    ) -> None:
        self._robot, self._publication, self._clock, self._life = robot, publication, clock, life
        gathers = publication.time.is_live
        self._inbox = Inbox(context, address(robot), clock.now_ns, self._refuse, gathers=gathers)
        self._asked_s: dict[bytes, float] = {}
        self._born_s = time.monotonic()

    @property
    def socket(self) -> zmq.Socket[Any]:
        """To be polled."""
        return self._inbox.socket

    def take(self) -> Iterator[list[Message]]:
        """All that waits, and what each message gives: of a backlog the newest vector of each
        stream wins."""
        heard = self._inbox.take()
        newest = newest_vectors(heard)
        for sender, m in heard:
            overtaken = isinstance(m, Embedding) and (m.epoch, m.seq) < newest[m.stream]
            try:
                said = self._answer(sender, m, overtaken)
            except Exception as error:  # one message, or a full disk, does not silence the robot
                self._refuse(error)
            else:
                yield said

    def settle(self) -> None:
        """Readers were told: the streams may forget."""
        self._inbox.settle(self._publication.outcomes.settled())

    def stand(self) -> None:
        """Be reached again where the socket's file was cleaned away; call it now and then."""
        try:
            self._inbox.stand()
        except (OSError, zmq.ZMQError) as error:  # those that are connected go on
            _log.warning("robot '%s': no new stream can reach us: %s", self._robot, error)

    def tell_time(self, robot_ns: int) -> None:
        """To all streams, where they make the robot's time together."""
        self._inbox.tell_all(Now(robot_ns))

    def _refuse(self, error: Exception) -> None:
        self._publication.bulletin.refused += 1
        what = f"{type(error).__name__}: {error}"
        _log.warning("robot '%s': a stream's message was refused: %s", self._robot, what)

    def _answer(self, sender: bytes, message: Upward, overtaken: bool) -> list[Message]:
        publication = self._publication
        if isinstance(message, Hello):
            if not publication.time.is_live and time.monotonic() - self._born_s < REJOIN_S:
                return []  # readers who wait are to see the first window: it asks again
            offset_ns = self._clock.offset_ns
            grant, said = publication.greet(message, self._clock.now_ns(), offset_ns)
            self._inbox.know(message.stream, sender)
            self._inbox.reply(sender, grant)
            return said
        if publication.roster.is_stranger(message):
            self._meet(sender, message)
        return publication.hear(message, self._clock.now_ns(), overtaken=overtaken)

    def _meet(self, sender: bytes, message: Upward) -> None:
        """A stream older than this restart of ours: keep its time, and ask what it left open."""
        if isinstance(message, State | Resume):
            self._take_clock(message.offset_ns)
        if isinstance(message, Resume):
            self._inbox.know(message.stream, sender)
            self._asked_s.pop(sender, None)
        elif time.monotonic() - self._born_s > REJOIN_S:
            self._ask(sender)

    def _ask(self, sender: bytes) -> None:
        now_s, asked_s = time.monotonic(), self._asked_s.get(sender)
        if asked_s is None or now_s - asked_s > ASK_AGAIN_S:
            self._asked_s[sender] = now_s
            self._inbox.reply(sender, Introduce(self._life, asked_s is not None))

    def _take_clock(self, offset_ns: int) -> None:
        step_ns = offset_ns - self._clock.offset_ns
        if step_ns:
            self._clock.offset_ns = offset_ns
            self._publication.roster.shift(step_ns)
