"""The reader's side: a robot's stream as a Python iterator.

::

    from bindstream import Subscriber

    with Subscriber("tcp://127.0.0.1:5570") as stream:
        for e in stream:
            print(e.stream, e.seq, e.vector.shape)

Like the ZeroMQ socket in it, a Subscriber is **not thread-safe**: use it in the thread that
made it; one thread, one Subscriber.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

import zmq

from bindstream import host, wire
from bindstream.continuity import Continuity
from bindstream.endpoint import as_endpoint
from bindstream.errors import BindstreamError, ConfigError, UnknownKind, WireError
from bindstream.types import Embedding, Event, Gap, Scene, Tombstone

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5570"
DEFAULT_TOPICS = ("embedding/", "scene/")
MAX_TOPIC_BYTES = 255
"""libzmq 4.3 crashes the process on absurdly long subscriptions; ours are below 150 bytes."""
HIGH_WATER_MARK = 1000

_SAME_HOST = re.compile(r"(ipc|inproc)://|tcp://(127(\.\d+){3}|localhost|\[::1\]):\d+\Z")


class Subscriber:
    """Connects to a robot's publisher and yields what it sends, in order per stream.

    ``endpoint``: ZeroMQ's, or ``"host:port"``; several for several robots.

    ``topics``: prefixes such as ``"embedding/demo/front/"``; ``""`` is everything, events and
    health too. ``tombstones``: yield dropped windows as well (they count as received either
    way, so that they are no gap). ``latest``: on each wake keep only the newest message of
    each topic; what it passed over is counted as ``skipped``. ``on_gap`` is called, in the
    reading thread, for messages that were sent and never came. ``timeout_s``: end the
    iteration after so long a silence; None waits for ever. ``same_clock``: whether this
    machine's clock is the robot's, so that ``age_ms`` means something; by default for loopback
    and ipc endpoints, and wherever the robot says that it runs on this very host: there ages
    are right also after the wall clock was set. False: no ages.

    The publisher need not be there yet: ZeroMQ connects when it comes, and again when it
    comes back. Raises ConfigError for an endpoint or topic that cannot be used.
    """

    def __init__(
        self,
        endpoint: str | Iterable[str] = DEFAULT_ENDPOINT,
        topics: str | Iterable[str] = DEFAULT_TOPICS,
        *,
        tombstones: bool = False,
        latest: bool = False,
        on_gap: Callable[[Gap], None] | None = None,
        timeout_s: float | None = None,
        same_clock: bool | None = None,
        context: zmq.Context[Any] | None = None,
    ) -> None:
        prefixes = _checked_topics(topics)
        given = [endpoint] if isinstance(endpoint, str) else endpoint
        endpoints = [as_endpoint(one) for one in given]
        self._tombstones = tombstones
        self._latest = latest
        self._on_gap = on_gap
        self._timeout_s = timeout_s
        self._same_clock = all(map(_same_host, endpoints)) if same_clock is None else same_clock
        self._boot = "" if same_clock is False else host.boot()
        self._ready: deque[wire.Message] = deque()
        self._continuity = Continuity()
        self._malformed = 0
        self._unknown = 0
        self._last_malformed = ""
        self._own_context = zmq.Context() if context is None else None
        try:
            self._socket = _connected(context or self._own_context, endpoints, prefixes)
        except ConfigError:
            if self._own_context is not None:
                self._own_context.term()
            raise

    def receive(self, timeout_s: float | None = None) -> wire.Message | None:
        """The next message; None after ``timeout_s`` without one (None waits for ever).

        Raises BindstreamError once closed.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ready:
            if self._socket.closed:
                raise BindstreamError("this Subscriber is closed")
            frames = self._frames(deadline)
            if frames is None:
                return None
            if self._latest:
                self._take_newest(frames)
            else:
                self._take(frames)
        return self._ready.popleft()

    def stats(self) -> dict[str, Any]:
        """What came and what did not, since the start::

        {"received": 90, "gaps": 1, "lost": 2, "duplicates": 0, "malformed": 0, "skipped": 0,
         "tombstones": 3, "reborn": 0, "unknown_kinds": 0, "last_malformed": "",
         "topics": {"embedding/demo/front/": {...}}}

        ``reborn``: how often a topic's epochs began anew below the last, because the robot lost
        its state folder. ``unknown_kinds``: messages that this version does not know.
        """
        topics = self._continuity.stats()
        names = ("received", "tombstones", "gaps", "lost", "duplicates", "skipped", "reborn")
        totals: dict[str, Any] = {n: sum(t[n] for t in topics.values()) for n in names}
        totals |= {"unknown_kinds": self._unknown}
        totals |= {"malformed": self._malformed, "last_malformed": self._last_malformed}
        return totals | {"topics": topics}

    def close(self) -> None:
        """Leave; may be called twice. ``with`` does it for you."""
        self._socket.close(linger=0)
        if self._own_context is not None:
            self._own_context.term()

    def __iter__(self) -> Iterator[wire.Message]:
        """Yield messages until closed, or until ``timeout_s`` passes without one."""
        while not self._socket.closed:
            message = self.receive(self._timeout_s)
            if message is None:
                return
            yield message

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _frames(self, deadline: float | None) -> list[bytes] | None:
        """One raw message, waiting until the deadline."""
        while True:
            try:
                return self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                left_ms = None if deadline is None else (deadline - time.monotonic()) * 1e3
                if left_ms is not None and left_ms <= 0:
                    return None
                self._socket.poll(left_ms if left_ms is None else max(1, int(left_ms)))

    def _take(self, frames: list[bytes]) -> None:
        for message in self._admitted(frames):
            self._ready.append(message)

    def _take_newest(self, frames: list[bytes]) -> None:
        """Drain what has arrived, at most a full queue; keep the newest of each topic, of scenes
        that of each space.

        Events are all kept: the newest does not stand for the others.
        """
        newest: dict[object, wire.Message] = {}
        more: list[bytes] | None = frames
        for number in range(HIGH_WATER_MARK):
            if more is None:
                break
            for message in self._admitted(more):
                name = wire.topic(message)
                space_id = message.space_id if isinstance(message, Scene) else ""
                which = number if isinstance(message, Event) else (type(message), space_id)
                key = (name, which)
                if newest.pop(key, None) is not None:
                    self._continuity.count(name, "skipped")
                newest[key] = message
            more = self._frames(0.0)
        else:
            if more is not None:
                self._take(more)
        self._ready.extend(newest.values())

    def _admitted(self, frames: list[bytes]) -> Iterator[wire.Message]:
        """The message in these frames, if the reader is to see it."""
        try:
            here = wire.Here(self._boot, time.monotonic_ns()) if self._boot else None
            message = wire.decode(frames, time.time_ns(), self._same_clock, here)
        except UnknownKind:
            self._unknown += 1
            return
        except WireError as error:
            self._malformed += 1
            self._last_malformed = str(error)
            self._continuity.count(frames[0].decode(errors="replace"), "malformed")
            return
        if isinstance(message, Embedding | Scene | Tombstone):
            admit, gap = self._continuity.admit(wire.topic(message), message)
            if gap is not None and self._on_gap is not None:
                self._on_gap(gap)
            if not admit or (isinstance(message, Tombstone) and not self._tombstones):
                return
        yield message


def _checked_topics(topics: str | Iterable[str]) -> list[bytes]:
    prefixes = [t.encode() for t in ((topics,) if isinstance(topics, str) else topics)]
    for prefix in prefixes:
        if len(prefix) > MAX_TOPIC_BYTES:
            raise ConfigError(
                f"topic of {len(prefix)} bytes, at most {MAX_TOPIC_BYTES}: {prefix[:40]!r}..."
            )
    if not prefixes:
        raise ConfigError("no topics: nothing would ever come; '' asks for everything")
    return prefixes


def _same_host(endpoint: str) -> bool:
    return _SAME_HOST.match(endpoint) is not None


def _connected(
    context: zmq.Context[Any] | None, endpoints: list[str], prefixes: list[bytes]
) -> zmq.Socket[bytes]:
    assert context is not None  # noqa: S101
    socket: zmq.Socket[bytes] = context.socket(zmq.SUB)
    # No MAXMSGSIZE: libzmq would leave a publisher for good after one message beyond it.
    options = {
        zmq.LINGER: 0,
        zmq.RCVHWM: HIGH_WATER_MARK,
        zmq.RECONNECT_IVL: 100,
        zmq.RECONNECT_IVL_MAX: 500,  # a restarted publisher waits a second for its readers
        zmq.HEARTBEAT_IVL: 1000,
        zmq.HEARTBEAT_TIMEOUT: 3000,
    }
    for option, value in options.items():
        socket.setsockopt(option, value)
    for prefix in prefixes:
        socket.subscribe(prefix)
    for endpoint in endpoints:
        try:
            socket.setsockopt(zmq.IPV6, "[" in endpoint)  # not for names: ::1 would come first
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            socket.close()
            raise ConfigError(
                f"cannot subscribe to '{endpoint}': {error}; want e.g. '{DEFAULT_ENDPOINT}'"
            ) from error
    return socket
