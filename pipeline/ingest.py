"""The Serve shell of one stream: sensor -> windows -> encoder -> publisher.

Threads: ``capture`` always reads the device; ``windows`` cuts and keeps the accounts;
one ``encode`` thread per window in flight asks the encoder. Latest wins in between.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from bindstream.errors import InvalidInput
from bindstream.types import Encoding, Reason, Sample, Window
from pipeline.border import counted, plain, rate_of
from pipeline.capture import Capture, Handover
from pipeline.direct import direct
from pipeline.format import Format, format_of
from pipeline.latest import LatestSlot
from pipeline.link import Link, address
from pipeline.messages import About, Bye, Dropped, Encoded, Grant, Happened, Hello, Opened, State
from pipeline.plan import StreamPlan
from pipeline.windows import Cut, Hole, Windower, make_windower
from sensors import load

STATE_EVERY_S = 1.0
SWITCH_S = 0.0005
"""How long one Python thread may keep the others waiting: a sensor's next reading among them."""
RELEASE_S = 1.5
DRAIN_S = 3.0
"""What ``close`` takes at most, beside the link's flush: Serve kills the replica after 5 s."""
SAME_END_S = 0.3
COMPLAIN_EVERY_S = 1.0
FOR_EVER_NS = 1 << 62
FORMAT_TIMEOUT_S = 2.0
FORMAT_RETRY_S = 0.2
UNHEARD_LOG_EVERY = 20
UNHEARD = (
    "stream '%s': no publisher answers at %s on host %s; where Ray has several hosts, labels must "
    "pin both to one"
)
_log = logging.getLogger("ray.serve")


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
        self._encoder = direct(encoder)
        self._driver = load(plan.driver)(plan.stream, **plan.options)
        self._about = About(plan.modality, plan.hop_ns, round(plan.deadline_s * 1e9), app=own_app())
        self._format: Format | None = None
        self._unfit = "waiting for the encoder to say what windows it takes"
        self._windower: Windower | None = None
        self._window_errors = 0
        self._link = Link(address(plan.robot))
        self._handover = Handover()
        self._slot: LatestSlot[Window] = LatestSlot(plan.in_flight)
        self._grant = Grant(0, time.time_ns() - time.monotonic_ns())
        self._capture = Capture(self._driver, plan.stream, self._now_ns, self._handover)
        self._capture.on_event = self._on_capture
        self._stop = threading.Event()
        self._paused_ns = (0, 0)
        self._complained_s: dict[str, float] = {}
        self._refusal = ""
        self._asking = threading.Thread(target=self._ask_format, name="format", daemon=True)
        self._threads = [threading.Thread(target=self._windows, name="windows", daemon=True)]
        self._threads += [
            threading.Thread(target=self._encode_newest, name=f"encode-{i}", daemon=True)
            for i in range(plan.in_flight)
        ]
        self._closed = False
        for thread in (self._asking, *self._threads):
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
        windows, *encoding = self._threads
        windows.join(max(0.0, until_s - time.monotonic()))
        left = self._slot.close()  # wakes the threads that wait for it
        if left is not None:
            self._drop(left.seq, Reason.SHUTDOWN)
        for thread in encoding:
            thread.join(max(0.0, until_s - time.monotonic()))
        self._link.send(Bye(self._plan.stream, self._grant.epoch))
        self._link.close()

    def _now_ns(self) -> int:
        return time.monotonic_ns() + self._grant.offset_ns

    # windows thread ---------------------------------------------------------------------------

    def _windows(self) -> None:
        if not self._meet_publisher():
            return
        self._capture.start()
        told_s, told = 0.0, ""
        while not self._stop.is_set():
            if self._format is None:  # what the sensor gives meanwhile waits, within bounds
                self._stop.wait(0.05)
            else:
                for sample in self._handover.take(0.1):
                    self._push(sample)
            self._link.listen()
            if time.monotonic() - told_s >= STATE_EVERY_S or told != self._capture.state:
                told_s, told = time.monotonic(), self._capture.state
                self._tell_state()
        for cut in self._windower.flush() if self._windower else []:
            self._pass_on(cut)
        self._tell_state()

    def _ask_format(self) -> None:
        """An encoder may load for minutes: asked until it answers."""
        plan = self._plan
        while not self._stop.is_set():
            try:
                told = self._encoder.describe.remote().result(timeout_s=FORMAT_TIMEOUT_S)
                self._format = format_of(told, plan)
            except InvalidInput as error:  # it answered, and cannot take our windows
                self._unfit = str(error)
                self._complain("unfit_encoder", error)
            except Exception:  # of Ray, of Serve: not there yet
                _log.debug("stream '%s': the encoder does not answer yet", plan.stream)
            else:
                self._unfit = ""
                return
            self._stop.wait(FORMAT_RETRY_S)

    def _make_windower(self, form: Format) -> Windower:
        plan = self._plan
        return make_windower(
            plan.modality,
            length_s=form.length_s,
            hop_s=plan.hop_s,
            rate_hz=rate_of(self._driver) or 1 / plan.hop_s,  # 0: frames come now and then
            frames=form.frames,
        )

    def _push(self, sample: Sample) -> None:
        if self._format is None:
            return
        if self._windower is None:  # only now has the device said its rate
            self._windower = self._make_windower(self._format)
        try:
            cuts = self._windower.push(sample)
        except Exception as error:  # costs this sample, not the stream
            self._window_errors += 1
            self._complain("window_error", error)
            return
        for cut in cuts:
            self._pass_on(cut)

    def _meet_publisher(self) -> bool:
        plan, unheard = self._plan, 0
        hello = Hello(plan.stream, uuid.uuid4().hex, self._about)
        while not self._stop.is_set():
            grant = self._link.ask(hello, 1.0)
            if grant is not None:
                self._grant = grant
                return True
            unheard += 1
            if unheard % UNHEARD_LOG_EVERY == 0:
                _log.warning(UNHEARD, plan.stream, address(plan.robot), socket.gethostname())
        return False

    def _pass_on(self, cut: Cut | Hole) -> None:
        plan, epoch = self._plan, self._grant.epoch
        self._link.send(Opened(plan.stream, epoch, cut.seq, cut.start_ns, cut.end_ns))
        if isinstance(cut, Hole):
            self._drop(cut.seq, self._excuse(cut))
            return
        superseded = self._slot.put(self._window(cut))
        if superseded is not None:
            self._drop(superseded.seq, Reason.SUPERSEDED)

    def _excuse(self, hole: Hole) -> Reason:
        begin_ns, end_ns = self._paused_ns
        paused = hole.start_ns < end_ns and begin_ns < hole.end_ns
        return Reason.PAUSED if paused else Reason.SENSOR_GAP

    def _window(self, cut: Cut) -> Window:
        plan = self._plan
        return Window(
            robot=plan.robot,
            stream=plan.stream,
            modality=plan.modality,
            epoch=self._grant.epoch,
            seq=cut.seq,
            start_ns=cut.start_ns,
            end_ns=cut.end_ns,
            data=cut.data,
            meta=cut.meta,
            n_missing=cut.n_missing,
            captured_ns=cut.captured_ns,
            windowed_ns=self._now_ns(),
            deadline_ns=cut.end_ns + round(plan.deadline_s * 1e9),
        )

    # encode threads ---------------------------------------------------------------------------

    def _encode_newest(self) -> None:
        while not self._stop.is_set():
            window = self._slot.take(1.0)
            if window is None:
                continue
            try:
                self._encode_one(window)
            finally:
                self._slot.done()

    def _encode_one(self, window: Window) -> None:
        budget_s = (window.deadline_ns - self._now_ns()) / 1e9
        if budget_s <= 0:  # it waited here too long: the encoder is not even asked
            self._drop(window.seq, Reason.LATE)
            return
        try:
            self._deliver(window, self._ask_encoder(window, budget_s))
        except TimeoutError:
            self._drop(window.seq, Reason.ENCODER_TIMEOUT)
        except Exception as error:  # of Ray, of Serve, of the encoder: never ends the thread
            self._blame_encoder(window, error)

    def _ask_encoder(self, window: Window, budget_s: float) -> Encoding:
        response = self._encoder.encode.remote(window, budget_s)
        try:
            encoding: Encoding = response.result(timeout_s=budget_s)
        except TimeoutError:
            response.cancel()
            raise
        return encoding

    def _blame_encoder(self, window: Window, error: Exception) -> None:
        """When the whole app is deleted the encoder may be gone first: that is no error of its."""
        if self._stop.wait(SAME_END_S):
            self._drop(window.seq, Reason.SHUTDOWN)
            return
        self._complain("encoder_error", error)
        self._drop(window.seq, Reason.ENCODER_ERROR)

    def _deliver(self, window: Window, encoding: Encoding) -> None:
        if encoding.vector is None:
            self._refused(window, encoding)
            return
        self._refusal = ""
        self._link.send(
            Encoded(
                stream=window.stream,
                epoch=window.epoch,
                seq=window.seq,
                n_missing=window.n_missing,
                captured_ns=window.captured_ns,
                windowed_ns=window.windowed_ns,
                encoded_ns=self._now_ns(),
                queue_ms=encoding.queue_ms,
                encode_ms=encoding.encode_ms,
                space_id=encoding.space_id,
                encoder_id=encoding.encoder_id,
                vector=encoding.vector.astype("<f4", copy=False).tobytes(),
            )
        )

    def _refused(self, window: Window, encoding: Encoding) -> None:
        """Told in words, as an event and in the health until a window is encoded again."""
        reason = encoding.refusal or Reason.INVALID_INPUT
        if reason is Reason.INVALID_INPUT:
            self._refusal = f"a window cannot be encoded: {encoding.why}"
            self._complain(str(reason), InvalidInput(self._refusal))
        self._drop(window.seq, reason)

    # any thread -------------------------------------------------------------------------------

    def _drop(self, seq: int, reason: Reason) -> None:
        self._link.send(Dropped(self._plan.stream, self._grant.epoch, seq, reason))

    def _complain(self, name: str, error: Exception) -> None:
        """An event, once a second at most: a fault may come with every sample."""
        now_s = time.monotonic()
        if now_s - self._complained_s.get(name, 0.0) >= COMPLAIN_EVERY_S:
            self._complained_s[name] = now_s
            said = plain(str(error)).strip().splitlines() or [""]
            self._tell(name, f"{type(error).__name__}: {said[-1]}"[:300])

    def _on_capture(self, name: str, why: str) -> None:
        begin_ns, end_ns = self._paused_ns
        if name == "stream_paused":
            self._paused_ns = (self._now_ns(), FOR_EVER_NS)
        elif end_ns == FOR_EVER_NS:
            self._paused_ns = (begin_ns, self._now_ns())
        self._tell(name, why)

    def _tell(self, name: str, why: str) -> None:
        detail = {"stream": self._plan.stream, "why": why}
        self._link.send(Happened(self._plan.stream, name, self._now_ns(), detail))

    def _tell_state(self) -> None:
        capture, plan = self._capture, self._plan
        counters = {**self._driver_counters(), **(self._windower.stats() if self._windower else {})}
        counters["invalid"] = counters.get("invalid", 0) + capture.refused
        lost = {
            "window_errors": self._window_errors,
            "untaken": self._handover.overrun,
            "reopened": capture.reopened,
            "link_lost": self._link.lost,
        }
        rate_hz = capture.meter.rate_hz(self._now_ns())
        state = State(
            stream=plan.stream,
            epoch=self._grant.epoch,
            offset_ns=self._grant.offset_ns,
            state=capture.state,
            why=capture.why or getattr(self._driver, "why", "") or self._unfit or self._refusal,
            rate_hz=rate_hz,
            wanted_rate_hz=rate_of(self._driver),
            counters={**counters, **lost},
        )
        self._link.send(state)

    def _driver_counters(self) -> dict[str, int]:
        try:
            return counted(getattr(self._driver, "counters", {}))
        except Exception as error:
            self._complain("driver_error", error)
            return {}
