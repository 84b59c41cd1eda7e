"""A serial device that speaks only when it is asked."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

from sensors.serial.port import SerialPort


@runtime_checkable
class Asker(Protocol):
    """Knows what to ask, and when."""

    def request(self, now_s: float) -> tuple[bytes, float]:
        """What to send now (nothing: b""), and for how long then to wait, s."""


class PolledPort:
    """A port whose device ``asker`` asks. ``drained``: as the port's."""

    def __init__(self, port: SerialPort, asker: Asker) -> None:
        self._port, self._asker = port, asker

    @property
    def drained(self) -> bool:
        """Nothing waited behind what ``take`` gave last."""
        return self._port.drained

    def take(self, timeout_s: float) -> bytes:
        """Ask what is due, and return what comes; b"" after ``timeout_s``. Raises DeviceLost."""
        end_s = time.monotonic() + max(timeout_s, 0.0)
        while True:
            question, wait_s = self._asker.request(time.monotonic())
            if question:
                self._port.send(question)
            data = self._port.take(min(wait_s, end_s - time.monotonic()))
            if data or time.monotonic() >= end_s:
                return data
