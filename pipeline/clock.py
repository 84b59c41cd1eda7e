"""One clock per robot, granted to its streams with the epoch. Pure: the host's time is handed in.

``live``: the host's CLOCK_MONOTONIC plus one offset. ``streams``: what the streams themselves have
come to. Then a recording made an hour ago runs at any speed: nothing is late, because no time
passes but the recording's own.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["live", "streams"]
AS_FAST_AS_IT_CAN = 0.0
"""The speed at which nobody waits for a sample's time."""
LEAD_NS = 10_000_000_000
"""A stream may be so far ahead of its robot's time; where its windows are longer, so far as one
and its hop. More would only wait, in memory, for the others."""
FAR_NS = 1 << 62
"""Later than any sample."""


class Timing(msgspec.Struct, frozen=True):
    """Which clock a robot has.

    ``speed``: seconds of recorded time in a second; 0: as fast as it can. ``recorded_ns`` is the
    recorded time at ``monotonic_ns`` of the host's CLOCK_MONOTONIC: one anchor for all streams;
    both 0 where nothing is recorded.
    """

    time: Kind = "live"
    speed: float = 1.0
    recorded_ns: int = 0
    monotonic_ns: int = 0

    def anchored(self, recorded_ns: int, monotonic_ns: int) -> Timing:
        """With an anchor, if it has none yet."""
        if self.recorded_ns or not recorded_ns:
            return self
        return msgspec.structs.replace(self, recorded_ns=recorded_ns, monotonic_ns=monotonic_ns)

    def paced_ns(self, monotonic_ns: int) -> int:
        """Up to when recorded samples are due; needs an anchor, unless nobody waits."""
        if self.speed == AS_FAST_AS_IT_CAN:
            return FAR_NS
        return self.recorded_ns + round((monotonic_ns - self.monotonic_ns) * self.speed)


LIVE = Timing()


class StreamClock:
    """The robot's clock as one of its streams has it.

    ``offset_ns`` turns CLOCK_MONOTONIC into the host's Unix time. Times are int nanoseconds since
    the Unix epoch. ``lead_ns`` may be set to more, where one window and its hop take longer.
    """

    def __init__(self, offset_ns: int, timing: Timing = LIVE) -> None:
        self._offset_ns = offset_ns
        self._timing = timing
        self.lead_ns = LEAD_NS
        self._first_ns: int | None = None
        self._done_ns = self._robot_ns = 0

    @property
    def is_live(self) -> bool:
        """Whether time passes by itself."""
        return self._timing.time == "live"

    def now_ns(self, monotonic_ns: int) -> int:
        """The robot's time; by its streams, the newest that this one knows of."""
        if not self.is_live:
            known_ns = max(self._done_ns, self._robot_ns) or self._timing.recorded_ns
            if known_ns:
                return known_ns
        return monotonic_ns + self._offset_ns

    def driver_ns(self, monotonic_ns: int, *, recorded: bool) -> int:
        """What a driver is told: for a recording, up to when its samples are due."""
        if self.is_live or not recorded:
            return monotonic_ns + self._offset_ns
        return self._timing.paced_ns(monotonic_ns)

    def stamp_ns(self, monotonic_ns: int, captured_ns: int) -> int:
        """When something was done with a window. By the streams' time nothing takes any."""
        return monotonic_ns + self._offset_ns if self.is_live else captured_ns

    def come_to(self, done_ns: int) -> None:
        """The stream has opened all windows that end by then."""
        self._done_ns = done_ns
        self._first_ns = done_ns if self._first_ns is None else self._first_ns

    def hear(self, robot_ns: int) -> None:
        """The publisher tells the robot's time."""
        self._robot_ns = robot_ns

    def is_ahead(self) -> bool:
        """Whether the stream has to wait for the others."""
        if self.is_live or self._first_ns is None:
            return False
        return self._done_ns > max(self._robot_ns, self._first_ns) + self.lead_ns
