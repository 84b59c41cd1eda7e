"""The Serve shell of one stream: sensor -> windows -> encoder -> publisher.

Threads: ``capture`` always reads the device (see ``upkeep``); ``windows`` cuts and passes on (see
``belt``); one ``encode`` thread per window in flight asks the encoder (see ``asker``); ``format``
asks it what to cut (see ``inquiry``). Latest wins in between; or, where the robot's time is its
streams', each waits for the next (see ``clock``).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pipeline.asker import Asker
from pipeline.belt import Belt
from pipeline.courier import Courier
from pipeline.cutter import Cutter
from pipeline.direct import direct
from pipeline.dispatch import Dispatch
from pipeline.inquiry import Inquiry
from pipeline.lane import Lane
from pipeline.link import Link, address
from pipeline.pauses import Pauses
from pipeline.plan import StreamPlan
from pipeline.report import Report
from pipeline.sensing.capture import Capture
from pipeline.sensing.device import Device
from pipeline.sensing.handover import Handover
from pipeline.start import Start
from pipeline.teller import Teller
from sensors import load

SWITCH_S = 0.0005
"""How long one Python thread may keep the others waiting: a sensor's next reading among them."""
RELEASE_S = 1.5
DRAIN_S = 3.0
"""What ``close`` takes at most, beside the link's flush: Serve kills the replica after 5 s."""


class Ingest:
    """A Serve deployment (``deploy.app`` makes it one): the actor that owns one sensor.

    ``encoder`` is the handle of the encoder's deployment, which says what windows it takes;
    ``own_app`` tells the name of the stream's own application. ``__init__`` opens no device: Serve
    gives a replica three tries, a robot's camera needs more patience than that.
    """

    def __init__(
        self, plan: StreamPlan, encoder: Any, own_app: Callable[[], str] = lambda: ""
    ) -> None:
        sys.setswitchinterval(SWITCH_S)
        self._closed = True  # until it all stands: __del__ comes even when a line below fails
        self._stream = plan.stream
        self._stop = stop = threading.Event()
        encoder = direct(encoder)
        self._device = device = Device(
            load(plan.driver)(plan.stream, **plan.options), self._driver_ns
        )
        link = Link(address(plan.robot))
        self._start = start = Start(plan, own_app(), link)
        self._teller = teller = Teller(plan.stream, start, link)
        self._pauses = Pauses()
        self._handover = Handover()
        self._lane = lane = Lane(plan.robot, plan.stream, plan.modality, lambda: device.rate_hz)
        self._capture = Capture(device, plan.stream, self._handover, self._on_capture, lane)
        self._inquiry = Inquiry(encoder, plan, teller, stop)
        self._courier = Courier(encoder, start, teller, self._inquiry.heard, stop)
        self._asker = Asker(plan, self._courier, start, teller, stop)
        self._cutter = Cutter(plan, start, teller, self._inquiry, device)
        dispatch = Dispatch(plan.deadline_s, start, teller, self._asker, self._pauses, stop)
        self._belt = Belt(self._capture, self._handover, self._cutter, dispatch, start, stop)
        self._report = Report(start, teller, device, self._capture, self._belt, self._courier)
        self._threads = [threading.Thread(target=self._windows, name="windows", daemon=True)]
        self._threads += self._asker.threads
        self._closed = False
        for thread in (self._inquiry.thread, *self._threads):
            thread.start()

    def check_health(self) -> None:
        """Fails only when a thread is dead or hung: an absent device is no fault of the replica."""
        if self._stop.is_set():
            return
        for thread in self._threads:
            if not thread.is_alive():
                raise RuntimeError(f"stream '{self._stream}': thread {thread.name} is dead")
        self._capture.check()

    def pause(self) -> str:
        """Close the device: nothing is captured until ``resume``. Returns the state: ``paused``
        once it is closed, else ``pausing``."""
        return self._capture.pause()

    def resume(self) -> str:
        """Open the device again. Returns the state."""
        return self._capture.resume()

    def __del__(self) -> None:
        """Serve's stop hook: drain, tell the publisher, release the device."""
        self.close()

    def close(self) -> None:
        """Stop capturing, finish what is in flight, drop the rest as ``shutdown``.

        Returns within ``DRAIN_S`` and the link's flush, whatever hangs.
        """
        if self._closed:
            return
        self._closed = True
        until_s = time.monotonic() + DRAIN_S
        self._stop.set()
        self._capture.stop(RELEASE_S)
        self._lane.close()
        self._threads[0].join(max(0.0, until_s - time.monotonic()))
        self._asker.close(until_s)
        self._teller.bye()

    # windows thread ---------------------------------------------------------------------------

    def _windows(self) -> None:
        if not self._start.meet(self._stop, self._starts_ns()):
            return
        self._handover.waits = not self._start.clock.is_live
        self._capture.start()
        self._belt.run(self._report.keep_in_touch)
        self._report.tell()

    def _starts_ns(self) -> int:
        """Of a recording, when it begins; else 0."""
        try:
            return self._device.starts_ns()
        except Exception as error:  # it may read its file for that: ``open`` will say so again
            self._teller.complain("driver_error", error)
            return 0

    # any thread -------------------------------------------------------------------------------

    def _driver_ns(self) -> int:
        """What a driver is told for the time: see ``sensors.driver.Clock``."""
        recorded = self._device.recorded
        return self._start.clock.driver_ns(time.monotonic_ns(), recorded=recorded)

    def _on_capture(self, name: str, why: str) -> None:
        if name == "stream_ended":  # told once its windows are
            return
        self._pauses.hear(name, self._driver_ns())
        self._teller.happened(name, why)
