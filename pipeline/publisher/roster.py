"""The streams of one robot: who is expected, who was met, who is over. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.messages import Bye, Happened, Hello, Opened, Progress, Resume, State, Upward
from pipeline.publisher.stream import Stream

FORGET_NS = 5_000_000_000
"""How long one that ended, and is not expected back, is still shown."""
SLEPT_NS = 1_000_000_000
"""Between two watches: longer, and it was the publisher itself that was stopped."""


class Roster:
    """By name, in the order in which they came. ``now_ns`` is the host's time."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}
        self._expected: tuple[str, ...] = ()
        self._watched_ns: int | None = None

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams.values())

    def expect(self, names: tuple[str, ...], now_ns: int) -> None:
        """From now on these are missed where they do not come."""
        self._expected = names
        for name in names:
            if name not in self._streams:
                self._streams[name] = Stream(name, now_ns)

    def get(self, name: str) -> Stream | None:
        """The one of that name, if there is one."""
        return self._streams.get(name)

    def begin(self, stream: Stream, epoch: int, m: Hello | Resume) -> None:
        """It starts, or goes on, in this epoch: from now on it is one of them."""
        stream.begin(epoch, m.instance, m.about)
        stream.told_ns = 0  # the next watch tells of it
        self._streams[stream.name] = stream

    def is_stranger(self, message: Upward) -> bool:
        """Whether it comes from an epoch that only a predecessor of ours can have granted: what
        it says of windows counts for nothing until it resumed."""
        if isinstance(message, Hello | Happened):
            return False
        stream = self._streams.get(message.stream)
        return message.epoch > (stream.epoch if stream else 0)

    def forget(self, now_ns: int) -> list[Stream]:
        """Leave out, and return, those that ended, or never came, and that nobody expects."""
        gone = [s for s in self if s.name not in self._expected and _is_over(s, now_ns)]
        for stream in gone:
            del self._streams[stream.name]
        return gone

    def wake(self, now_ns: int) -> None:
        """Call it a few times a second: after a longer pause it was not the streams that were
        away."""
        if self._watched_ns is None or now_ns - self._watched_ns > SLEPT_NS:
            for stream in self:
                stream.pulse.heard_ns = now_ns
        self._watched_ns = now_ns

    def shift(self, step_ns: int) -> None:
        """The host's clock is ``step_ns`` ahead of what was thought."""
        for stream in self:
            stream.shift(step_ns)
        if self._watched_ns is not None:
            self._watched_ns += step_ns

    def all_ended(self) -> bool:
        """Whether every stream that ever started has said goodbye."""
        return all(stream.pulse.ended or not stream.epoch for stream in self)


def is_outdated(stream: Stream, m: Upward) -> bool:
    """Whether it comes from an epoch that is over: a stream that drains beside its successor.

    Outcomes are left to the ledger, which knows what is open.
    """
    over = stream.epoch if stream.pulse.ended else stream.epoch - 1
    return isinstance(m, Opened | State | Progress | Bye | Resume) and m.epoch <= over


def _is_over(stream: Stream, now_ns: int) -> bool:
    ended = stream.pulse.ended and now_ns - stream.pulse.heard_ns > FORGET_NS
    return stream.about is None or ended
