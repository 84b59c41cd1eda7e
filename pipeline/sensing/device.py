"""A driver, anybody's, as its stream knows it: its calls watched, what it says made plain."""

from __future__ import annotations

import time

from bindstream.types import Modality, Sample
from pipeline.sensing.border import counted, is_recorded, rate_of, samples_of, stalled_of, why_of
from pipeline.sensing.watch import Watch
from sensors.driver import Clock, Driver


class Device:
    """``open``, ``read`` and ``close`` raise whatever the driver does; one thread calls them.
    ``watch`` knows in which of them that thread is; ``now_ns`` is the clock that the driver has."""

    def __init__(self, driver: Driver, now_ns: Clock) -> None:
        self._driver, self.now_ns = driver, now_ns
        self.modality = Modality(driver.modality)
        self.recorded = is_recorded(driver)
        self.watch = Watch(time.monotonic())

    def open(self) -> None:
        """See ``sensors.driver.Driver.open``."""
        self.watch.enter("open", time.monotonic())
        try:
            self._driver.open(self.now_ns)
        finally:
            self.watch.leave()

    def read(self, timeout_s: float) -> list[Sample]:
        """What came. Raises TypeError for what are no samples."""
        self.watch.enter("read", time.monotonic())
        try:
            return samples_of(self._driver.read(timeout_s))
        finally:
            self.watch.leave()

    def close(self) -> None:
        """Release it."""
        self.watch.enter("close", time.monotonic())
        try:
            self._driver.close()
        finally:
            self.watch.leave()

    @property
    def rate_hz(self) -> float:
        """Of its samples; 0: they come now and then."""
        return rate_of(self._driver)

    @property
    def why(self) -> str:
        """Why what comes cannot be used; "" where it can."""
        return why_of(self._driver)

    @property
    def stalled(self) -> str:
        """Since when it has repeated its last frame or reading; "" where it does not."""
        return stalled_of(self._driver)

    def counters(self) -> dict[str, int]:
        """Of its own. Raises whatever is wrong with them."""
        return counted(getattr(self._driver, "counters", {}))

    def starts_ns(self) -> int:
        """Of a recording, when it begins; else 0. It may read its file for that, and raise."""
        return int(getattr(self._driver, "starts_ns", 0) or 0) if self.recorded else 0
