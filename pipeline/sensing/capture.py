"""The one thread that always reads a sensor, as the others see it: how it stands, pause, resume."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.lane import Lane
from pipeline.sensing.device import Device
from pipeline.sensing.device_state import DeviceState
from pipeline.sensing.handover import Handover
from pipeline.sensing.intake import Intake
from pipeline.sensing.upkeep import Upkeep

PAUSE_ACK_S = 2.0


class Capture:
    """Owns the device and its thread. ``state`` and ``why`` say how it stands.

    States: opening (``why`` says what is in the way), running (``why`` says what is amiss), stalled
    (nothing comes, or the last frame again), failed (the driver hangs in a call), paused, ended
    (the driver said that nothing follows), stopped.
    ``tell`` hears of every change, from that thread; the ``lane`` leads to a recorder.
    """

    def __init__(
        self,
        device: Device,
        stream: str,
        handover: Handover,
        tell: Callable[[str, str], None],
        lane: Lane | None = None,
    ) -> None:
        self._device, self._stream = device, stream
        self._handover, self._lane = handover, lane
        self._state = DeviceState(tell)
        self._intake = Intake(device, stream, handover, tell, lane)
        self._upkeep = Upkeep(device, self._intake, self._state, tell)
        name = f"capture-{stream}"
        self._thread = threading.Thread(target=self._upkeep.run, name=name, daemon=True)

    @property
    def state(self) -> str:
        """How the stream stands now; ``failed`` while the driver hangs, whatever it was before."""
        if self._hangs():
            return "failed"
        state = self._state.name
        return "stalled" if state == "running" and self._intake.stalls(time.monotonic()) else state

    @property
    def why(self) -> str:
        """What is in the way or amiss; "" where nothing is."""
        now_s = time.monotonic()
        if hangs := self._hangs():
            return hangs
        state = self._state.name
        reasons = [self._state.why, self._intake.refusals.why(now_s)]
        if state == "opening":
            reasons.append(self._device.watch.drags(now_s))
        if state == "running":
            reasons.append(self._intake.stalls(now_s))
        return "; ".join(reason for reason in reasons if reason)

    def counters(self) -> dict[str, int]:
        """``invalid``: samples of another form than the modality's; ``untaken``: those that nobody
        took in time; ``unrecorded``: those that no recorder took in time; ``reopened``: how often
        the device was lost."""
        return {
            "invalid": self._intake.refusals.count,
            "untaken": self._handover.overrun,
            "unrecorded": self._lane.refused if self._lane else 0,
            "reopened": self._state.reopened,
        }

    def rate_hz(self, now_ns: int) -> float:
        """Readings per second over the last few seconds (audio: samples)."""
        return self._intake.meter.rate_hz(now_ns)

    def start(self) -> None:
        """Start the thread; it opens the device."""
        self._device.watch.beat(time.monotonic())
        self._state.begin()
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Close the device and end the thread."""
        self._upkeep.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def pause(self) -> str:
        """Close the device until ``resume``: nothing is captured meanwhile.

        ``paused`` once the device is closed; ``pausing`` if the driver does not let go in 2 s;
        ``ended`` where there is nothing left to pause.
        """
        if self._state.ended:
            return self.state
        self._upkeep.pause()
        until_s = time.monotonic() + PAUSE_ACK_S
        while not self._is_closed() and time.monotonic() < until_s:
            time.sleep(0.01)
        return "paused" if self._is_closed() else "pausing"

    def resume(self) -> str:
        """Open the device again. Returns the state that follows."""
        self._upkeep.resume()
        return "opening" if self._state.name == "paused" else self.state

    def check(self) -> None:
        """Raise RuntimeError when the thread is dead or hung; for the replica's health check."""
        if self._thread.ident is None or self._upkeep.is_stopped:
            return
        if not self._thread.is_alive():
            raise RuntimeError(f"stream '{self._stream}': the capture thread is dead")
        if silent_s := self._device.watch.hung_s(time.monotonic()):
            raise RuntimeError(f"stream '{self._stream}': the driver hangs since {silent_s:.0f} s")

    def _hangs(self) -> str:
        """In which call the driver hangs, and since when; "" where it does not."""
        if self._upkeep.is_stopped or not self._thread.is_alive():
            return ""
        return self._device.watch.hangs(self._state.name, time.monotonic())

    def _is_closed(self) -> bool:
        return self._state.name == "paused" or not self._thread.is_alive()
