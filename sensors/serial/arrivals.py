"""Readings as they come from a serial port, each batch with the arrival of its last byte."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from sensors.driver import Clock
from sensors.serial.parser import Parser
from sensors.serial.poll import PolledPort
from sensors.serial.port import SerialPort
from sensors.serial.witmotion import Reading

MEASURE_S = 0.5


class Batch(NamedTuple):
    """Readings that came together. ``drained``: nothing waited behind them."""

    readings: list[Reading]
    arrival_ns: int
    drained: bool


class Arrivals:
    """What comes from one opening of a port. ``heard_s`` and ``understood_s``: when, on the
    monotonic clock, bytes came last, and bytes that were a reading."""

    def __init__(self, port: SerialPort | PolledPort, parser: Parser, now_ns: Clock) -> None:
        self.parser = parser
        self.heard_s = self.understood_s = time.monotonic()
        self._port, self._now_ns = port, now_ns

    def receive(self, timeout_s: float) -> Batch:
        """All that came; waits for the first byte. Raises DeviceLost."""
        return self._batch(self._port.take(timeout_s))

    def first(self, timeout_s: float) -> tuple[list[Reading], int]:
        """The first readings, [] after ``timeout_s``, and how many bytes came until then."""
        n_bytes, deadline_s = 0, time.monotonic() + timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            data = self._port.take(left_s)
            n_bytes += len(data)
            if readings := self._batch(data).readings:
                return readings, n_bytes
        return [], n_bytes

    def over(self, longest_s: float) -> list[Batch]:
        """What comes in half a second, ten readings at least besides the first batch; [] where
        they do not come within ``longest_s``."""
        start_s = time.monotonic()
        batches: list[Batch] = []
        while not _long_enough(batches):
            batch = self.receive(0.2)
            if batch.readings:
                batches.append(batch)
            if time.monotonic() - start_s > longest_s:
                return []
        return batches

    def _batch(self, data: bytes) -> Batch:
        arrival_ns = self._now_ns()
        readings = self.parser.feed(data)
        now_s = time.monotonic()
        self.heard_s = now_s if data else self.heard_s
        self.understood_s = now_s if readings else self.understood_s
        return Batch(readings, arrival_ns, self._port.drained)


def _long_enough(batches: list[Batch]) -> bool:
    span_ns = batches[-1].arrival_ns - batches[0].arrival_ns if batches else 0
    return span_ns >= MEASURE_S * 1e9 and sum(len(b.readings) for b in batches[1:]) >= 10


def measured_hz(batches: list[Batch]) -> float:
    """Readings per second between the least late arrivals of the first and of the last third.

    What had waited before the first arrival counts for nothing.
    """
    arrivals = np.array([batch.arrival_ns for batch in batches]) - batches[0].arrival_ns
    counts = np.cumsum([len(batch.readings) for batch in batches])
    lateness = arrivals - counts * (arrivals[-1] / (counts[-1] - counts[0]))
    third = max(1, len(batches) // 3)
    first = int(np.argmin(lateness[:third]))
    last = len(batches) - third + int(np.argmin(lateness[-third:]))
    return float((counts[last] - counts[first]) * 1e9 / (arrivals[last] - arrivals[first]))
