"""Keeps a device open for as long as it is wanted: opens it, reads it, closes it, tries again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bindstream.errors import StreamEnded
from pipeline.sensing.border import in_words
from pipeline.sensing.device import Device
from pipeline.sensing.device_state import DeviceState
from pipeline.sensing.intake import Intake

BACKOFF_S = (0.2, 5.0)
PROVEN_S = 10.0
"""A device that worked for so long is tried again at once when it is lost."""


class Upkeep:
    """``run`` is a thread's; whoever else wants something of the device tells it so.

    A device that is absent, busy or lost is tried again for ever, 0.2 to 5 s apart; no exception of
    a driver ends ``run``.
    """

    def __init__(
        self, device: Device, intake: Intake, state: DeviceState, tell: Callable[[str, str], None]
    ) -> None:
        self._device, self._intake, self._state, self._tell = device, intake, state, tell
        self._stop = threading.Event()
        self._paused = threading.Event()
        self._woken = threading.Event()

    @property
    def is_stopped(self) -> bool:
        """Whether ``run`` was told to return."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Close the device; ``run`` returns."""
        self._stop.set()
        self._woken.set()

    def pause(self) -> None:
        """Close the device, until ``resume``."""
        self._paused.set()
        self._woken.set()

    def resume(self) -> None:
        """Open it again."""
        self._paused.clear()
        self._woken.set()

    def run(self) -> None:
        """Until told to stop."""
        wait_s = BACKOFF_S[0]
        while not self._stop.is_set():
            began_s = time.monotonic()
            self._device.watch.beat(began_s)
            self._woken.clear()
            if self._state.ended:
                self._woken.wait(1.0)
                continue
            if self._paused.is_set():
                self._state.become("paused", "")
                self._woken.wait(1.0)
                wait_s = BACKOFF_S[0]
                continue
            self._use()
            if self._intake.gave or self._device.watch.since_s - began_s > PROVEN_S:
                wait_s = BACKOFF_S[0]
            if not (self._paused.is_set() or self._state.ended):
                self._woken.wait(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_S[1])
        self._state.become("stopped", "")

    def _use(self) -> None:
        """Once: from opening to closing. Whatever a driver raises, the stream goes on and says
        why."""
        self._intake.begin()
        blame = self._state.excuse
        try:
            self._device.open()
            self._state.become("running", "")
            blame = self._state.lose
            self._intake.read_until(lambda: self._stop.is_set() or self._paused.is_set())
        except StreamEnded as error:
            self._state.end(error)
        except Exception as error:  # reported, reopened; the other streams go on
            blame(error)
        self._close()

    def _close(self) -> None:
        try:
            self._device.close()
        except Exception as error:  # it promised not to; the stream goes on
            self._tell("driver_error", f"close: {in_words(error)}")
