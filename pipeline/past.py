"""A recorded stream -> its windows, as fast as its file can be read: no robot, no encoder, no time.

The same windows as ``ingest`` cuts of it on a robot whose time is its streams'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bindstream.errors import InvalidInput, StreamEnded
from bindstream.formats import WindowFormat
from bindstream.types import Sample
from pipeline.clock import FAR_NS
from pipeline.cutter import unsaid_hz
from pipeline.plan import StreamPlan
from pipeline.sensing.border import admitted
from pipeline.sensing.device import Device
from pipeline.windows.hole import Outcome
from pipeline.windows.windower import Windower, make_windower
from sensors import load
from sensors.driver import contracted

EPOCH = 0
"""A file is read once, from its beginning: it has one start."""
READ_S = 1.0


class PastStream:
    """Of a plan whose driver plays the past. Raises ConfigError for options that cannot be."""

    def __init__(self, plan: StreamPlan, form: WindowFormat) -> None:
        self._plan, self._form = plan, form
        driver = load(plan.driver)(plan.stream, **plan.options)
        self._device = Device(contracted(driver, plan.driver), lambda: FAR_NS)
        self._windower: Windower | None = None
        self._refused: Counter[str] = Counter()

    def outcomes(self) -> Iterator[Outcome]:
        """All of its windows and holes, in the order of seq. Raises what the driver raises, and
        ConfigError for a format that cannot be cut."""
        self._device.open()
        try:
            for sample in self._samples():
                yield from self._push(sample)
        finally:
            self._device.close()
        yield from self._windower.flush() if self._windower else ()

    def counters(self) -> dict[str, int]:
        """What was not used, by its name: of the driver's counts, and of samples refused."""
        told = self._device.counters() | dict(self._refused)
        cut = self._windower.stats() if self._windower else {}
        for name in ("late", "duplicate", "backward", "outlier", "invalid"):
            told[name] = told.get(name, 0) + cut.get(name, 0)
        return {name: count for name, count in told.items() if count}

    def _samples(self) -> Iterator[Sample]:
        while True:
            try:
                samples = self._device.read(READ_S)
            except StreamEnded:
                return
            for sample in samples:
                try:
                    yield admitted(sample, self._plan.modality)
                except InvalidInput:
                    self._refused["invalid"] += 1

    def _push(self, sample: Sample) -> list[Outcome]:
        if self._windower is None:  # a device says its rate at the latest with its first sample
            self._windower = make_windower(
                self._plan.stamp(EPOCH),
                self._form,
                hop_s=self._plan.hop_s,
                rate_hz=self._device.rate_hz or unsaid_hz(self._form, self._plan.hop_s),
            )
        return self._windower.push(sample)
