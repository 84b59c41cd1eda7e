"""The one thread that always reads a sensor: opens it, reopens it, and hands its samples over."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from bindstream.errors import DeviceError, DeviceLost
from bindstream.types import Modality, Sample
from sensors.driver import Clock, Driver

BACKOFF_S = (0.2, 5.0)
BUSY_GRACE_S = 15.0
READ_TIMEOUT_S = 0.2
HUNG_S = 60.0
PROVEN_S = 10.0
"""A device that worked for so long is tried again at once when it is lost."""
PAUSE_ACK_S = 2.0


class Handover:
    """Samples on their way from the capture thread to the window thread.

    Bounded in number and bytes (a second of raw 720p is 80 MB): the oldest are dropped, and counted
    in ``overrun``, when nobody takes them. The newest always stays.
    """

    def __init__(self, most: int = 4096, most_bytes: int = 64 << 20) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._samples: deque[Sample] = deque()
        self._bytes = 0
        self._ready = threading.Condition()
        self.overrun = 0

    def put(self, samples: list[Sample]) -> None:
        """Append, oldest first."""
        with self._ready:
            self._samples.extend(samples)
            self._bytes += sum(sample.data.nbytes for sample in samples)
            while len(self._samples) > 1 and self._too_much():
                self._bytes -= self._samples.popleft().data.nbytes
                self.overrun += 1
            self._ready.notify()

    def take(self, timeout_s: float) -> list[Sample]:
        """All that waits, oldest first; [] after ``timeout_s``."""
        with self._ready:
            if not self._samples:
                self._ready.wait(timeout_s)
            taken = list(self._samples)
            self._samples.clear()
            self._bytes = 0
            return taken

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


class Capture:
    """Owns the driver and its thread. ``state`` and ``why`` say how it stands.

    States: opening (``why`` says what is in the way), running, paused, stopped. A device that is
    absent, busy or lost is tried again for ever, 0.2 to 5 s apart; no exception of a driver ends
    the thread.
    """

    def __init__(self, driver: Driver, stream: str, now_ns: Clock, handover: Handover) -> None:
        self._driver = driver
        self._stream = stream
        self._now_ns = now_ns
        self._handover = handover
        self._stop = threading.Event()
        self._paused = threading.Event()
        self._woken = threading.Event()
        self._beat_s = time.monotonic()
        self._opening_since_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"capture-{stream}", daemon=True)
        self.meter = RateMeter(driver.modality)
        self.state = "opening"
        self.why = ""
        self.reopened = 0
        self.on_event: Callable[[str, str], None] = _nobody

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

        ``paused`` once the device is closed; ``pausing`` if the driver does not let go in 2 s.
        """
        self._paused.set()
        self._woken.set()
        until_s = time.monotonic() + PAUSE_ACK_S
        while self.state != "paused" and self._thread.is_alive() and time.monotonic() < until_s:
            time.sleep(0.01)
        closed = self.state == "paused" or not self._thread.is_alive()
        return "paused" if closed else "pausing"

    def resume(self) -> str:
        """Open the device again. Returns the state that follows."""
        self._paused.clear()
        self._woken.set()
        return "opening" if self.state == "paused" else self.state

    def check(self) -> None:
        """Raise RuntimeError when the thread is dead or hung; for the replica's health check."""
        if self._thread.ident is None or self._stop.is_set():
            return
        if not self._thread.is_alive():
            raise RuntimeError(f"stream '{self._stream}': the capture thread is dead")
        silent_s = time.monotonic() - self._beat_s
        if silent_s > HUNG_S:
            raise RuntimeError(f"stream '{self._stream}': the driver hangs since {silent_s:.0f} s")

    def _run(self) -> None:
        wait_s = BACKOFF_S[0]
        while not self._stop.is_set():
            self._beat_s = time.monotonic()
            self._woken.clear()
            if self._paused.is_set():
                self._become("paused", "")
                self._woken.wait(1.0)
                wait_s = BACKOFF_S[0]
                continue
            began_s = self._beat_s
            if self._open():
                self._read_on()
            self._close()
            if self._beat_s - began_s > PROVEN_S:
                wait_s = BACKOFF_S[0]
            if not self._paused.is_set():
                self._woken.wait(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_S[1])
        self._become("stopped", "")

    def _open(self) -> bool:
        try:
            self._driver.open(self._now_ns)
        except Exception as error:  # whatever a driver raises, the stream waits and says why
            self._excuse(error)
            return False
        self._become("running", "")
        return True

    def _close(self) -> None:
        try:
            self._driver.close()
        except Exception as error:  # it promised not to; the stream goes on
            self.on_event("driver_error", f"close: {_reason(error)}")

    def _read_on(self) -> None:
        try:
            self._read_until_told()
        except Exception as error:  # reported, reopened; the other streams go on
            self._lose(error)

    def _read_until_told(self) -> None:
        last_s = time.monotonic()
        rate_hz = self._driver.rate_hz
        silence_s = max(2.0, 10.0 / rate_hz) if rate_hz > 0 else float("inf")
        while not (self._stop.is_set() or self._paused.is_set()):
            self._beat_s = time.monotonic()
            samples = self._driver.read(READ_TIMEOUT_S)
            if samples:
                last_s = time.monotonic()
                self._hand_over(samples)
            elif self._beat_s - last_s > silence_s:
                because = getattr(self._driver, "why", "")
                raise DeviceLost(
                    self._stream, f"no data for {silence_s:.1f} s" + (because and f": {because}")
                )

    def _hand_over(self, samples: list[Sample]) -> None:
        for sample in samples:
            self.meter.add(sample)
        self._handover.put(samples)

    def _become(self, state: str, why: str) -> None:
        if state == "opening" and self.state != "opening":
            self._opening_since_s = time.monotonic()
        changed, self.state, self.why = state != self.state, state, why
        if changed:
            self.on_event(f"stream_{state}", why)

    def _excuse(self, error: Exception) -> None:
        """A busy device is often just being released: it is not reported at once."""
        self._become("opening", self.why)
        waited_s = time.monotonic() - self._opening_since_s
        if "busy" not in str(error).lower() or waited_s > BUSY_GRACE_S:
            self.why = _reason(error)

    def _lose(self, error: Exception) -> None:
        self.reopened += 1
        self.on_event("stream_lost", _reason(error))
        self._become("opening", _reason(error))


def _nobody(name: str, why: str) -> None:
    """Until somebody wants to hear of events."""


def _reason(error: Exception) -> str:
    if isinstance(error, DeviceError):
        return str(error)
    return f"{type(error).__name__}: {error}"
