"""When a message's content was taken: ROS's stamp, turned into robot time. Pure.

Drivers stamp with their machine's wall clock, which may be the robot's, another machine's, a
simulator's, or never set. Where the first stamps agree with the robot's clock (they lie up to a
second before the arrival, as they must) they are taken as they are, with the true delay in them,
for as long as they go on and lie before their arrival. Else only their steps are believed: where
that clock stands against the robot's is fitted to the arrivals.
"""

from __future__ import annotations

from collections.abc import Iterable

from sensors.device_clock import DeviceClock

HOW = ("auto", "fitted", "arrival")
AHEAD_NS = 20_000_000
"""So far after its arrival a stamp of the same clock may be: clocks kept by NTP differ."""
LATE_NS = 1_000_000_000
BEHIND_NS = 30_000_000_000
"""What is later than that is no delay of a busy machine."""
STRANGE, STRANGE_NS = 5, 1_000_000_000
"""So many stamps on end that cannot be, for so long, are of another clock: one was set."""
CRYSTAL = 1e-3


class RosClock:
    """``how``: ``auto`` as above; ``fitted``: always; ``arrival``: no stamp is believed.

    ``unset`` counts stamps of 0, ``odd`` those that cannot be: both get the time of arrival, or
    their neighbours'.
    """

    def __init__(self, rate_hz: float, how: str = "auto") -> None:
        self.unset = 0
        self._odd = self._strange = self._strange_ns = self._last_ns = 0
        self._how = how
        self._rate_hz = max(1.0, rate_hz)
        self._base_ns = 0
        self._fitted: DeviceClock | None = None
        self._agrees: bool | None = {"fitted": False}.get(how)

    @property
    def odd(self) -> int:
        """Stamps that cannot be: of the future, of long ago, or back in time."""
        return self._odd + (self._fitted.odd if self._fitted else 0)

    @property
    def resets(self) -> int:
        """Times that ROS's clock was set, as far as it shows."""
        return self._fitted.resets if self._fitted else 0

    @property
    def agrees(self) -> bool | None:
        """Whether ROS's clock is the robot's; None before any stamp."""
        return self._agrees

    def learn(self, seen: Iterable[tuple[int, int]]) -> None:
        """Stamps and arrivals of the first messages, oldest first: whose clock it is."""
        known = [(stamp, arrival) for stamp, arrival in seen if stamp > 0]
        if not known or self._how == "arrival":
            return
        if self._agrees is None:
            late_ns = sorted(arrival_ns - stamp_ns for stamp_ns, arrival_ns in known)
            self._agrees = _agree(late_ns[len(late_ns) // 10])  # the others wait, or are wrong
        if not self._agrees:
            for stamp_ns, arrival_ns in known:
                self._fit(stamp_ns, arrival_ns)

    def time_ns(self, stamp_ns: int, arrival_ns: int) -> int:
        """Robot time of a message with that stamp; never after its arrival."""
        if self._how == "arrival":
            return arrival_ns
        if stamp_ns <= 0:
            self.unset += 1
            return arrival_ns
        if self._agrees is None:
            self._agrees = _agree(arrival_ns - stamp_ns)
        if self._agrees:
            return self._believed(stamp_ns, arrival_ns)
        return min(self._fit(stamp_ns, arrival_ns), arrival_ns)

    def _believed(self, stamp_ns: int, arrival_ns: int) -> int:
        late_ns = arrival_ns - stamp_ns
        if self._last_ns <= stamp_ns and -AHEAD_NS <= late_ns <= BEHIND_NS:
            self._last_ns, self._strange = stamp_ns, 0
            return min(stamp_ns, arrival_ns)
        self._odd += 1
        self._strange_ns = self._strange_ns if self._strange else arrival_ns
        self._strange += 1
        if self._strange >= STRANGE and arrival_ns - self._strange_ns >= STRANGE_NS:
            self._agrees = False
        return arrival_ns

    def _fit(self, stamp_ns: int, arrival_ns: int) -> int:
        if self._fitted is None:  # floats hold nanoseconds since then, not since 1970
            self._base_ns = stamp_ns
            self._fitted = DeviceClock(self._rate_hz, "ns", CRYSTAL)
        return self._fitted.stamp([float(stamp_ns - self._base_ns)], arrival_ns)[0]


def _agree(late_ns: int) -> bool:
    return -AHEAD_NS <= late_ns <= LATE_NS
