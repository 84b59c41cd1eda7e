"""The Serve shell of one stream: sensor -> windows -> encoder -> publisher.

Threads: ``capture`` always reads the device; ``windows`` cuts and keeps the accounts;
one ``encode`` thread per window in flight asks the encoder (see ``asker``); ``format`` asks it what
to cut (see ``inquiry``). Latest wins in between; or, where the robot's time is its streams', each
waits for the next (see ``clock``).
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from bindstream.errors import BindstreamError
from bindstream.types import Reason, Sample, Window
from pipeline.asker import Asker
from pipeline.border import counted, rate_of, why_of
from pipeline.capture import Capture, Handover
from pipeline.cutter import Cutter
from pipeline.direct import direct
from pipeline.hole import Hole
from pipeline.inquiry import Inquiry
from pipeline.lane import Lane
from pipeline.plan import StreamPlan
from pipeline.teller import Teller
from sensors import load

STATE_EVERY_S = 1.0
SWITCH_S = 0.0005
"""How long one Python thread may keep the others waiting: a sensor's next reading among them."""
RELEASE_S = 1.5
DRAIN_S = 3.0
"""What ``close`` takes at most, beside the link's flush: Serve kills the replica after 5 s."""
FOR_EVER_NS = 1 << 62
AHEAD_S = 0.005
IN_LINE_S = 0.1
AHEAD = "ahead of the robot's time: waits for the other streams"
PAST_IN_PRESENT = "a recording on a robot that is live: set time: streams of its robot"
UNSETTLED = 16
"""Where nothing may be lost, no window is cut while the publisher owes an answer to so many."""


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
        self._plan = plan
        encoder = direct(encoder)
        self._driver = load(plan.driver)(plan.stream, **plan.options)
        self._recorded = bool(getattr(self._driver, "recorded", False))
        self._teller = Teller(plan, own_app())
        self._cutter = Cutter(plan, self._teller, self._rate_hz)
        self._window_errors = 0
        self._uncut = ""
        self._handover = Handover()
        self._taken: deque[Sample] = deque()
        self._capture = Capture(self._driver, plan.stream, self._driver_ns, self._handover)
        self._capture.on_event = self._on_capture
        self._lane = Lane(plan.robot, plan.stream, plan.modality, self._rate_hz)
        self._capture.on_samples = self._lane.offer
        self._stop = threading.Event()
        self._inquiry = Inquiry(encoder, plan, self._teller, self._stop)
        self._asker = Asker(encoder, self._teller, plan.in_flight, self._stop)
        self._asker.on_answer = self._inquiry.heard
        self._paused_ns = (0, 0)
        self._flushed = self._drained = False
        self._told = 0.0, ""  # when a state was told, and which
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
                raise RuntimeError(f"stream '{self._plan.stream}': thread {thread.name} is dead")
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
        if not self._teller.meet(self._stop, self._starts_ns()):
            return
        self._handover.waits = not self._teller.clock.is_live
        self._capture.start()
        while not self._stop.is_set():
            if self._inquiry.form is None:  # what the sensor gives meanwhile waits, within bounds
                self._stop.wait(0.05)
            else:
                self._push_what_may_be()
                self._end_if_over()
            self._keep_in_touch()
        self._flush()
        self._tell_state()

    def _push_what_may_be(self) -> None:
        """All that was read, or as far as the stream may be ahead of the robot's time."""
        clock = self._teller.clock
        if not self._taken:
            self._taken.extend(self._handover.take(0.1))
        while self._taken and not clock.is_ahead():
            if self._handover.waits and self._stop.is_set():
                return
            self._push(self._taken.popleft())
        if not self._taken:
            self._teller.progress()
        elif not self._stop.is_set():
            self._stop.wait(AHEAD_S)

    def _keep_in_touch(self) -> None:
        self._teller.listen()
        told_s, told = self._told
        if time.monotonic() - told_s >= STATE_EVERY_S or told != self._state():
            self._told = time.monotonic(), self._state()
            self._tell_state()
            self._teller.progress(again=True)

    def _flush(self) -> None:
        for cut in self._cutter.flush():
            self._pass_on(cut)

    def _state(self) -> str:
        """That of the sensor; one that ended is ``running`` until all its windows are told."""
        state = self._capture.state
        return "running" if state == "ended" and not self._drained else state

    def _end_if_over(self) -> None:
        """Nothing follows, said the driver: flush, and once each window has its outcome, tell."""
        if self._drained or self._capture.state != "ended" or not self._handover.is_empty():
            return
        if self._taken:
            return
        if not self._flushed:
            self._flushed = True
            self._flush()
        if self._asker.is_idle():
            self._drained = True
            self._teller.happened("stream_ended", self._capture.why)

    def _push(self, sample: Sample) -> None:
        form = self._inquiry.form
        if form is None:
            return
        try:
            cuts = self._cutter.push(sample, form)
            self._uncut = ""
        except BindstreamError as error:  # no windower can be made of it
            self._uncut = f"its encoder wants windows that cannot be cut: {error}"
            self._teller.complain("unfit_encoder", error)
            return
        except Exception as error:  # costs this sample, not the stream
            self._window_errors += 1
            self._teller.complain("window_error", error)
            return
        for cut in cuts:
            self._pass_on(cut)
        if self._cutter.known_ns is not None:
            self._teller.come_to(self._cutter.known_ns)

    def _pass_on(self, cut: Window | Hole) -> None:
        lossless = self._handover.waits
        while lossless and self._teller.unsettled >= UNSETTLED:
            if self._stop.wait(AHEAD_S):
                break
            self._keep_in_touch()
        self._teller.opened(cut)
        if isinstance(cut, Hole):
            self._teller.dropped(cut, self._excuse(cut))
            return
        deadline_ns = cut.end_ns + round(self._plan.deadline_s * 1e9)
        now_ns = self._teller.stamp_ns(cut.captured_ns)
        stamped = replace(cut, windowed_ns=now_ns, deadline_ns=deadline_ns, lossless=lossless)
        self._wait_in_line(stamped) if lossless else self._asker.put(stamped)

    def _wait_in_line(self, window: Window) -> None:
        while not self._asker.offer(window, IN_LINE_S):
            if self._stop.is_set():
                self._teller.dropped(window, Reason.SHUTDOWN)
                return
            self._keep_in_touch()

    def _excuse(self, hole: Hole) -> Reason:
        begin_ns, end_ns = self._paused_ns
        paused = hole.start_ns < end_ns and begin_ns < hole.end_ns
        return Reason.PAUSED if paused else Reason.SENSOR_GAP

    def _starts_ns(self) -> int:
        """Of a recording, when it begins; else 0."""
        try:
            return int(getattr(self._driver, "starts_ns", 0) or 0) if self._recorded else 0
        except Exception as error:  # it may read its file for that: ``open`` will say so again
            self._teller.complain("driver_error", error)
            return 0

    def _rate_hz(self) -> float:
        return rate_of(self._driver)

    # any thread -------------------------------------------------------------------------------

    def _driver_ns(self) -> int:
        """What a driver is told for the time: see ``sensors.driver.Clock``."""
        return self._teller.clock.driver_ns(time.monotonic_ns(), recorded=self._recorded)

    def _on_capture(self, name: str, why: str) -> None:
        if name == "stream_ended":  # told once its windows are
            return
        begin_ns, end_ns = self._paused_ns
        if name == "stream_paused":
            self._paused_ns = (self._driver_ns(), FOR_EVER_NS)
        elif end_ns == FOR_EVER_NS:
            self._paused_ns = (begin_ns, self._driver_ns())
        self._teller.happened(name, why)

    def _tell_state(self) -> None:
        capture = self._capture
        counters = {**self._driver_counters(), **self._cutter.stats()}
        counters["invalid"] = counters.get("invalid", 0) + capture.refused
        lost = {
            "window_errors": self._window_errors,
            "untaken": self._handover.overrun,
            "reopened": capture.reopened,
            "unrecorded": self._lane.refused,
        }
        past = PAST_IN_PRESENT if self._recorded and self._teller.clock.is_live else ""
        ahead = AHEAD if self._teller.clock.is_ahead() else ""
        whys = (
            past,
            ahead,
            capture.why,
            why_of(self._driver),
            self._inquiry.why,
            self._uncut,
            self._asker.refusal,
        )
        self._teller.state(
            self._state(),
            next(filter(None, whys), ""),
            rate_hz=capture.meter.rate_hz(self._teller.now_ns()),
            wanted_rate_hz=rate_of(self._driver),
            counters={**counters, **lost},
        )

    def _driver_counters(self) -> dict[str, int]:
        try:
            return counted(getattr(self._driver, "counters", {}))
        except Exception as error:
            self._teller.complain("driver_error", error)
            return {}
