"""What time it is on one robot, as its publisher needs it: for stamps, for scenes, for its streams.

Live it is the host's time, which is handed in. By its streams it is their watermark.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.clock import Timing
from pipeline.messages import About
from pipeline.publisher.spaces import Spaces
from pipeline.publisher.stream import Stream
from pipeline.publisher.watermark import Standing, Watermark

OUTCOME_NS = 5_000_000_000
"""How long after a window's deadline its outcome may still come: after that it got lost."""
PATIENT_OUTCOME_NS = 300_000_000_000
"""The same, of the host's time, where windows wait for their encoder and have no deadline."""


class RobotTime:
    """The clock, and by its streams also which scenes are due.

    ``host_ns`` everywhere is the host's Unix time, by CLOCK_MONOTONIC.
    """

    def __init__(self, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self._watermark = Watermark()
        self._ticked_ns: int | None = None
        self._joined = False  # whether that tick had a scene

    @property
    def is_live(self) -> bool:
        """Whether time passes by itself."""
        return self.timing.time == "live"

    @property
    def watermark_ns(self) -> int:
        """Up to when all is known; 0 while nothing is."""
        return self._watermark.now_ns or 0

    def now_ns(self, host_ns: int) -> int:
        """The robot's time."""
        if self.is_live:
            return host_ns
        return self._watermark.now_ns or self.timing.recorded_ns or host_ns

    def stamp_ns(self, host_ns: int, least_ns: int) -> int:
        """When what is of ``least_ns`` was published: a stream may be ahead of the robot."""
        return host_ns if self.is_live else max(self.now_ns(host_ns), least_ns)

    def outcome_until_ns(self, deadline_ns: int, host_ns: int) -> int:
        """By when, of the host's time, a window's outcome comes or never."""
        if self.is_live:
            return max(deadline_ns, host_ns) + OUTCOME_NS
        return host_ns + PATIENT_OUTCOME_NS

    def meet(self, about: About, monotonic_ns: int) -> Timing:
        """A stream starts: what it is granted. The first recorded one fixes the anchor of all."""
        if not self.is_live:
            self.timing = self.timing.anchored(about.starts_ns, monotonic_ns)
        return self.timing

    def take_over(self, timing: Timing) -> None:
        """A stream that our predecessor granted an anchor: it stays."""
        if not self.is_live:
            self.timing = self.timing.anchored(timing.recorded_ns, timing.monotonic_ns)

    def advance(self, streams: Iterable[Stream], host_ns: int) -> set[str]:
        """Let the watermark follow the streams; return those that are waited for no more."""
        standings: dict[str, Standing] = {}
        ended_ns: int | None = None
        for stream in streams:
            if stream.holds_time:
                standings[stream.name] = Standing(stream.done_ns, stream.is_busy)
            elif stream.progress_ns is not None:
                ended_ns = max(ended_ns or 0, stream.progress_ns)
        return self._watermark.move(standings, host_ns, ended_ns)

    def seen(self, host_ns: int) -> dict[str, Any]:
        """For the status: where streams tell the time, what it is and for whom the others wait."""
        if self.is_live:
            return {}
        return {"robot_ns": self.now_ns(host_ns), "held_by": self._watermark.held_by}

    def next_tick(self, join: Spaces, hop_ns: int) -> int | None:
        """The next scene that is due; None while there is none.

        Behind a tick that had a scene comes the next of the grid. Where there was none, the first
        that can have a member: so the same windows give the same scenes, and a gap of a year costs
        nothing.
        """
        if self._joined and self._ticked_ns is not None:
            tick_ns = (self._ticked_ns // hop_ns + 1) * hop_ns
        else:
            end_ns = join.first_end(self._ticked_ns)
            if end_ns is None:
                return None
            tick_ns = -(-end_ns // hop_ns) * hop_ns
        return tick_ns if tick_ns <= self.watermark_ns else None

    def ticked(self, tick_ns: int, *, joined: bool) -> None:
        """The scene of this tick was made, or could not be."""
        self._ticked_ns, self._joined = tick_ns, joined
