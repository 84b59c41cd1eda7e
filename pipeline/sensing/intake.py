"""What an open device gives: read, admitted or refused, counted, and handed over."""

from __future__ import annotations

import time
from collections.abc import Callable

from bindstream.errors import DeviceLost, InvalidInput
from bindstream.types import Sample
from pipeline.lane import Lane
from pipeline.sensing.border import admitted
from pipeline.sensing.device import Device
from pipeline.sensing.handover import Handover
from pipeline.sensing.pace import Pace
from pipeline.sensing.rate_meter import RateMeter
from pipeline.sensing.read_span import ReadSpan
from pipeline.sensing.refusals import Refusals

READ_TIMEOUT_S = 0.2


class Intake:
    """``gave``: samples came since ``begin``. ``tell`` hears of refused samples; the ``lane``
    leads to a recorder."""

    def __init__(
        self,
        device: Device,
        stream: str,
        handover: Handover,
        tell: Callable[[str, str], None],
        lane: Lane | None = None,
    ) -> None:
        self._device, self._stream = device, stream
        self._handover, self._tell, self._lane = handover, tell, lane
        self._span = ReadSpan(device.now_ns, lambda: handover.waits or device.recorded)
        self._pace = Pace()
        self.refusals = Refusals()
        self.meter = RateMeter(device.modality)
        self.gave = False

    def begin(self) -> None:
        """The device is about to be opened."""
        self.gave = False
        self._span.begin(time.monotonic())

    def read_until(self, told: Callable[[], bool]) -> None:
        """Raises what the driver raises, and DeviceLost after too long a silence."""
        self._begin_pace()
        while not told():
            if not self._handover.has_room(0.0):
                self._wait_for_room()
                continue
            samples = self._device.read(READ_TIMEOUT_S)
            now_s = time.monotonic()
            if good := self._admitted(samples, now_s):
                self.gave = True
                self._pace.heard(now_s)
                self._hand_over(good)
            elif self._pace.silent_s(now_s) > self._pace.patience_s:
                raise self._loss(now_s)

    def overdue_s(self, now_s: float) -> float:
        """Seconds of silence, where that is longer than a device of this rate takes; else 0."""
        return self._pace.overdue_s(now_s)

    def stalls(self, now_s: float) -> str:
        """Since when nothing new has come, and how that shows; "" where it comes."""
        silent_s = self.overdue_s(now_s)
        return f"no data for {silent_s:.1f} s" if silent_s else self._device.stalled

    def _begin_pace(self) -> None:
        """A recording may be silent for as long as what it recorded was."""
        rate_hz = 0.0 if self._device.recorded else self._device.rate_hz
        self._pace.begin(time.monotonic(), rate_hz)

    def _wait_for_room(self) -> None:
        """What was read is still being worked on: the sensor is not to blame for the silence."""
        self._device.watch.beat(time.monotonic())
        self._handover.has_room(READ_TIMEOUT_S)
        self._begin_pace()

    def _admitted(self, samples: list[Sample], now_s: float) -> list[Sample]:
        good, came = [], self._span.end(now_s)
        for sample in samples:
            try:
                good.append(admitted(sample, self._device.modality, came))
            except InvalidInput as error:
                if self.refusals.add(error, now_s):
                    self._tell("samples_refused", str(error))
        return good

    def _hand_over(self, samples: list[Sample]) -> None:
        for sample in samples:
            self.meter.add(sample)
        if self._lane:
            self._lane.offer(samples)
        self._handover.put(samples)

    def _loss(self, now_s: float) -> DeviceLost:
        silent_s = self._pace.patience_s
        refused = self.refusals.why(now_s)
        if not refused:
            self._pace.lost()
        usable = "usable " if refused else ""
        because = self._device.why
        why = f"no {usable}data for {silent_s:.1f} s" + (because and f": {because}")
        return DeviceLost(self._stream, why)
