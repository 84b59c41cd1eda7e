"""The one thread that always reads a sensor: opens it, reopens it, and hands its samples over."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from bindstream.errors import DeviceBusy, DeviceError, DeviceLost, InvalidInput, StreamEnded
from bindstream.types import Modality, Sample
from pipeline.border import (
    MOST_WORDS,
    admitted,
    is_recorded,
    plain,
    rate_of,
    samples_of,
    why_of,
)
from pipeline.pace import Pace
from pipeline.read_span import ReadSpan
from sensors.driver import Clock, Driver

BACKOFF_S = (0.2, 5.0)
BUSY_GRACE_S = 15.0
READ_TIMEOUT_S = 0.2
HUNG_S = 60.0
STUCK_S = {"opening": 15.0, "running": 2.5}
"""A driver that is in one call for so long is said to hang: opening may take a sound server's 5 s
and what it then settles; ``read`` promises to return within its timeout."""
SLOW_S = 3.0
"""An opening that takes longer is worth a word."""
PROVEN_S = 10.0
"""A device that worked for so long is tried again at once when it is lost."""
PAUSE_ACK_S = 2.0
REFUSED_SHOWN_S = 10.0
"""How long the state of a stream speaks of a sample that was refused."""
REFUSED_TOLD_S = 30.0


class Handover:
    """Samples on their way from the capture thread to the window thread.

    Bounded in number and bytes (a second of raw 720p is 80 MB): the oldest are dropped, and counted
    in ``overrun``, when nobody takes them. The newest always stays. Where it ``waits``, nothing is
    dropped: who puts asks first for room.
    """

    def __init__(self, most: int = 4096, most_bytes: int = 64 << 20) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._samples: deque[Sample] = deque()
        self._bytes = 0
        self._ready = threading.Condition()
        self.overrun = 0
        self.waits = False

    def has_room(self, timeout_s: float) -> bool:
        """Wait until there is room; always so where the oldest are dropped."""
        with self._ready:
            return self._ready.wait_for(lambda: not (self.waits and self._too_much()), timeout_s)

    def put(self, samples: list[Sample]) -> None:
        """Append, oldest first."""
        with self._ready:
            self._samples.extend(samples)
            self._bytes += sum(sample.data.nbytes for sample in samples)
            while not self.waits and len(self._samples) > 1 and self._too_much():
                self._bytes -= self._samples.popleft().data.nbytes
                self.overrun += 1
            self._ready.notify_all()

    def take(self, timeout_s: float) -> list[Sample]:
        """All that waits, oldest first; [] after ``timeout_s``."""
        with self._ready:
            self._ready.wait_for(lambda: self._samples, timeout_s)
            taken = list(self._samples)
            self._samples.clear()
            self._bytes = 0
            self._ready.notify_all()
            return taken

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        with self._ready:
            return not self._samples

    def _too_much(self) -> bool:
        return len(self._samples) > self._most or self._bytes > self._most_bytes


class RateMeter:
    """Readings per second over the last few seconds (audio: 16 kHz samples per second)."""

    def __init__(self, modality: Modality, span_s: float = 3.0) -> None:
        self._audio = modality is Modality.AUDIO
        self._span_ns = int(span_s * 1e9)
        self._seen: deque[tuple[int, int]] = deque(maxlen=16_384)

    def add(self, sample: Sample) -> None:
        """Count one sample at its arrival."""
        self._seen.append((sample.arrival_ns, len(sample.data) if self._audio else 1))

    def rate_hz(self, now_ns: int) -> float:
        """The rate of the last span; 0 when nothing came."""
        while self._seen and self._seen[0][0] < now_ns - self._span_ns:
            self._seen.popleft()
        if len(self._seen) < 2:
            return 0.0
        span_ns = max(now_ns, self._seen[-1][0]) - self._seen[0][0]
        return sum(n for _, n in list(self._seen)[1:]) / (span_ns / 1e9) if span_ns > 0 else 0.0


class Refusals:
    """Samples that were not what their modality wants: how many, and what was wrong last."""

    def __init__(self) -> None:
        self.count = 0
        self._last = ""
        self._last_s = self._told_s = float("-inf")

    def add(self, error: Exception, now_s: float) -> bool:
        """Count one; whether it is worth an event, which it is twice a minute at most."""
        self.count += 1
        self._last, self._last_s = _reason(error), now_s
        if now_s - self._told_s < REFUSED_TOLD_S:
            return False
        self._told_s = now_s
        return True

    def why(self, now_s: float) -> str:
        """What was wrong last; "" where that was a while ago."""
        if now_s - self._last_s > REFUSED_SHOWN_S:
            return ""
        return f"{self.count} samples refused, the last: {self._last}"


class Capture:
    """Owns the driver and its thread. ``state`` and ``why`` say how it stands.

    States: opening (``why`` says what is in the way), running (``why`` says what is amiss), failed
    (the driver hangs in a call), paused, ended (the driver said that nothing follows), stopped. A
    device that is absent, busy or lost is tried again for ever, 0.2 to 5 s apart; no exception of a
    driver ends the thread.
    """

    def __init__(self, driver: Driver, stream: str, now_ns: Clock, handover: Handover) -> None:
        self._driver = driver
        self._modality = Modality(driver.modality)
        self._stream = stream
        self._now_ns = now_ns
        self._handover = handover
        self._stop = threading.Event()
        self._paused = threading.Event()
        self._ended = threading.Event()
        self._woken = threading.Event()
        self._beat_s = time.monotonic()
        self._opening_since_s = time.monotonic()
        self._span = ReadSpan(now_ns, lambda: self._handover.waits or is_recorded(driver))
        self._pace = Pace()
        self._refusals = Refusals()
        self._gave = False
        self._state, self._why = "opening", ""
        self._call = ""
        self._thread = threading.Thread(target=self._run, name=f"capture-{stream}", daemon=True)
        self.meter = RateMeter(self._modality)
        self.reopened = 0
        self.on_event: Callable[[str, str], None] = _nobody
        self.on_samples: Callable[[list[Sample]], None] = lambda _: None

    @property
    def state(self) -> str:
        """How the stream stands now; ``failed`` while the driver hangs, whatever it was before."""
        return "failed" if self._hangs() else self._state

    @property
    def why(self) -> str:
        """What is in the way or amiss; "" where nothing is."""
        now_s = time.monotonic()
        if hangs := self._hangs():
            return hangs
        reasons = [self._why, self._refusals.why(now_s)]
        if self._state == "opening" and (open_s := now_s - self._beat_s) > SLOW_S and self._call:
            reasons.append(f"the driver's {self._call} has not returned for {open_s:.0f} s")
        if self._state == "running" and (silent_s := self._pace.overdue_s(now_s)):
            reasons.append(f"no data for {silent_s:.0f} s")
        return "; ".join(reason for reason in reasons if reason)

    @property
    def refused(self) -> int:
        """Samples of another form than the modality's."""
        return self._refusals.count

    def start(self) -> None:
        """Start the thread; it opens the device."""
        self._beat_s = self._opening_since_s = time.monotonic()
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Close the device and end the thread."""
        self._stop.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def pause(self) -> str:
        """Close the device until ``resume``: nothing is captured meanwhile.

        ``paused`` once the device is closed; ``pausing`` if the driver does not let go in 2 s;
        ``ended`` where there is nothing left to pause.
        """
        if self._ended.is_set():
            return self.state
        self._paused.set()
        self._woken.set()
        until_s = time.monotonic() + PAUSE_ACK_S
        while self._state != "paused" and self._thread.is_alive() and time.monotonic() < until_s:
            time.sleep(0.01)
        closed = self._state == "paused" or not self._thread.is_alive()
        return "paused" if closed else "pausing"

    def resume(self) -> str:
        """Open the device again. Returns the state that follows."""
        self._paused.clear()
        self._woken.set()
        return "opening" if self._state == "paused" else self.state

    def check(self) -> None:
        """Raise RuntimeError when the thread is dead or hung; for the replica's health check."""
        if self._thread.ident is None or self._stop.is_set():
            return
        if not self._thread.is_alive():
            raise RuntimeError(f"stream '{self._stream}': the capture thread is dead")
        silent_s = time.monotonic() - self._beat_s
        if silent_s > HUNG_S:
            raise RuntimeError(f"stream '{self._stream}': the driver hangs since {silent_s:.0f} s")

    def _hangs(self) -> str:
        """In which call the driver hangs, and since when; "" where it does not."""
        call, beat_s = self._call, self._beat_s
        if not call or self._stop.is_set() or not self._thread.is_alive():
            return ""
        silent_s = time.monotonic() - beat_s
        if silent_s <= STUCK_S.get(self._state, STUCK_S["running"]):
            return ""
        return f"the driver's {call} has not returned for {silent_s:.0f} s"

    def _run(self) -> None:
        wait_s = BACKOFF_S[0]
        while not self._stop.is_set():
            self._beat_s = time.monotonic()
            self._woken.clear()
            if self._ended.is_set():
                self._woken.wait(1.0)
                continue
            if self._paused.is_set():
                self._become("paused", "")
                self._woken.wait(1.0)
                wait_s = BACKOFF_S[0]
                continue
            began_s, self._gave = self._beat_s, False
            if self._open():
                self._read_on()
            self._close()
            if self._gave or self._beat_s - began_s > PROVEN_S:
                wait_s = BACKOFF_S[0]
            if not (self._paused.is_set() or self._ended.is_set()):
                self._woken.wait(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_S[1])
        self._become("stopped", "")

    def _open(self) -> bool:
        self._enter("open")
        self._span.begin(self._beat_s)
        try:
            self._driver.open(self._now_ns)
        except StreamEnded as error:
            self._end(error)
            return False
        except Exception as error:  # whatever a driver raises, the stream waits and says why
            self._excuse(error)
            return False
        finally:
            self._call = ""
        self._become("running", "")
        return True

    def _close(self) -> None:
        self._enter("close")
        try:
            self._driver.close()
        except Exception as error:  # it promised not to; the stream goes on
            self.on_event("driver_error", f"close: {_reason(error)}")
        finally:
            self._call = ""

    def _read_on(self) -> None:
        try:
            self._read_until_told()
        except StreamEnded as error:
            self._end(error)
        except Exception as error:  # reported, reopened; the other streams go on
            self._lose(error)
        finally:
            self._call = ""

    def _read_until_told(self) -> None:
        self._begin_pace()
        while not (self._stop.is_set() or self._paused.is_set()):
            if not self._handover.has_room(0.0):
                self._wait_for_room()
                continue
            self._enter("read")
            samples = samples_of(self._driver.read(READ_TIMEOUT_S))
            now_s = time.monotonic()
            if good := self._admitted(samples, now_s):
                self._gave = True
                self._pace.heard(now_s)
                self._hand_over(good)
            elif self._pace.silent_s(now_s) > self._pace.patience_s:
                self._give_up(now_s)

    def _begin_pace(self) -> None:
        """A recording may be silent for as long as what it recorded was."""
        rate_hz = 0.0 if is_recorded(self._driver) else rate_of(self._driver)
        self._pace.begin(time.monotonic(), rate_hz)

    def _wait_for_room(self) -> None:
        """What was read is still being worked on: the sensor is not to blame for the silence."""
        self._beat_s, self._call = time.monotonic(), ""
        self._handover.has_room(READ_TIMEOUT_S)
        self._begin_pace()

    def _enter(self, call: str) -> None:
        self._beat_s, self._call = time.monotonic(), call

    def _admitted(self, samples: list[Sample], now_s: float) -> list[Sample]:
        good, came = [], self._span.end(now_s)
        for sample in samples:
            try:
                good.append(admitted(sample, self._modality, came))
            except InvalidInput as error:
                if self._refusals.add(error, now_s):
                    self.on_event("samples_refused", str(error))
        return good

    def _give_up(self, now_s: float) -> None:
        silent_s = self._pace.patience_s
        refused = self._refusals.why(now_s)
        if not refused:
            self._pace.lost()
        usable = "usable " if refused else ""
        because = why_of(self._driver)
        why = f"no {usable}data for {silent_s:.1f} s" + (because and f": {because}")
        raise DeviceLost(self._stream, why)

    def _hand_over(self, samples: list[Sample]) -> None:
        for sample in samples:
            self.meter.add(sample)
        self.on_samples(samples)
        self._handover.put(samples)

    def _become(self, state: str, why: str) -> None:
        if state == "opening" and self._state != "opening":
            self._opening_since_s = time.monotonic()
        changed, self._state, self._why = state != self._state, state, why
        if changed:
            self.on_event(f"stream_{state}", why)

    def _excuse(self, error: Exception) -> None:
        """A busy device is often just being released: it is not reported at once."""
        self._become("opening", self._why)
        waited_s = time.monotonic() - self._opening_since_s
        if not isinstance(error, DeviceBusy) or waited_s > BUSY_GRACE_S:
            self._why = _reason(error)

    def _end(self, error: StreamEnded) -> None:
        self._ended.set()
        self._become("ended", _reason(error))

    def _lose(self, error: Exception) -> None:
        self.reopened += 1
        self.on_event("stream_lost", _reason(error))
        self._become("opening", _reason(error))


def _nobody(name: str, why: str) -> None:
    """Until somebody wants to hear of events."""


def _reason(error: Exception) -> str:
    """In words that fit any message: short, and text that can be encoded."""
    try:
        said = str(error)
    except Exception:  # a driver's own error may fail even at that
        said = "it cannot say what"
    if not isinstance(error, DeviceError | InvalidInput):
        said = f"{type(error).__name__}: {said}"
    return plain(said)[:MOST_WORDS]
