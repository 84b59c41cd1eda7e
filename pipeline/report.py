"""How a stream is, told its publisher once a second and at every change."""

from __future__ import annotations

import time

from pipeline.belt import Belt
from pipeline.courier import Courier
from pipeline.sensing.capture import Capture
from pipeline.sensing.device import Device
from pipeline.start import Start
from pipeline.teller import Teller

EVERY_S = 1.0
AHEAD = "ahead of the robot's time: waits for the other streams"
PAST_IN_PRESENT = "a recording on a robot that is live: set time: streams of its robot"


class Report:
    """Asks every part of the stream for what is in the way, and for its counts.

    One thread calls ``keep_in_touch``, now and then.
    """

    def __init__(
        self,
        start: Start,
        teller: Teller,
        device: Device,
        capture: Capture,
        belt: Belt,
        courier: Courier,
    ) -> None:
        self._start, self._teller = start, teller
        self._device, self._capture = device, capture
        self._belt, self._courier = belt, courier
        self._told = 0.0, ""  # when a state was told, and which

    def keep_in_touch(self) -> None:
        """Hear the publisher, and tell it what is due."""
        self._start.listen()
        told_s, told = self._told
        if time.monotonic() - told_s >= EVERY_S or told != self._belt.state:
            self._told = time.monotonic(), self._belt.state
            self.tell()
            self._start.progress(again=True)

    def tell(self) -> None:
        """How it is now."""
        self._teller.state(
            self._belt.state,
            self._why(),
            rate_hz=self._capture.rate_hz(self._start.now_ns()),
            wanted_rate_hz=self._device.rate_hz,
            counters=self._counters(),
        )

    def _why(self) -> str:
        """The first thing that is in the way, from the sensor on."""
        clock = self._start.clock
        whys = (
            PAST_IN_PRESENT if self._device.recorded and clock.is_live else "",
            AHEAD if clock.is_ahead() else "",
            self._capture.why,
            self._device.why,
            self._belt.why,
            self._courier.refusal,
        )
        return next(filter(None, whys), "")

    def _counters(self) -> dict[str, int]:
        counters = {**self._driver_counters(), **self._belt.stats()}
        of_capture = self._capture.counters()
        refused = of_capture.pop("invalid")
        return {**counters, **of_capture, "invalid": counters.get("invalid", 0) + refused}

    def _driver_counters(self) -> dict[str, int]:
        try:
            return self._device.counters()
        except Exception as error:  # somebody's property
            self._teller.complain("driver_error", error)
            return {}
