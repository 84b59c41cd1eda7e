"""Microphones through PortAudio: any device rate and channels -> 16 kHz mono.

PortAudio's own clocks cannot be used: its capture times start up to 0.6 s off and its status flags
never show a lag (measured; docs/sensors.md). So frames are counted, and the count is fitted to the
arrival of the callbacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyaudio

from bindstream.errors import DeviceBusy, DeviceLost, DeviceUnavailable, WrongFormat
from bindstream.types import Modality, Sample
from sensors import options
from sensors.audio import portaudio
from sensors.audio.buffers import RATE_HZ, Recording
from sensors.audio.portaudio import Input, Session
from sensors.audio.wanted import find, wanted
from sensors.driver import Clock

BUFFER_S = 0.02
SILENCE_S = 0.5
SETTLE_S = 0.6
RATE_TOLERANCE = 0.02


class Microphone:
    """Chunks of one microphone as (n,) float32 in [-1, 1], 16 kHz mono, about 20 ms each.

    ``device``: an index, or a part of the name as `bindstream devices` prints it; None: the
    default input. ``rate_hz``: the device's own rate; None: the best of what it supports.
    ``channel``: which channel of a microphone array; None: the mean of all. ``channels``: how
    many to open; None: one if the device allows. ``delay_ms``: known delay of the device, taken
    off the time stamps. ``max_zero_s``: digital silence (zeros alone, which no real microphone
    gives) that counts as loss; None: never, since a muted microphone gives zeros too.

    Raises ConfigError for an option that cannot be.
    """

    modality = Modality.AUDIO
    rate_hz = float(RATE_HZ)
    latency_ms = 150.0

    def __init__(
        self,
        stream: str,
        *,
        device: int | str | None = None,
        rate_hz: int | None = None,
        channels: int | None = None,
        channel: int | None = None,
        open_timeout_s: float = 5.0,
        max_zero_s: float | None = None,
        delay_ms: float = 0.0,
    ) -> None:
        self._stream = stream
        self._wanted = wanted(stream, device, rate_hz, channels, channel)
        self._timeout_s = options.number(stream, "open_timeout_s", open_timeout_s, 1, 60)
        if max_zero_s is not None:
            max_zero_s = options.number(stream, "max_zero_s", max_zero_s, 0.1, 3600)
        self._max_zero_s = max_zero_s
        self._delay_ns = round(options.number(stream, "delay_ms", delay_ms, 0, 10_000) * 1e6)
        self._overflow = 0
        self._past: dict[str, int] = {}
        self._session: Session | None = None
        self._recording: Recording | None = None

    @property
    def counters(self) -> dict[str, int]:
        """``overflow``: losses that the device told; ``jumps``: those that the count shows;
        ``overrun``: buffers that nobody took in time; ``lag``: buffers over 0.25 s late."""
        here = self._recording
        counts = {"overrun": 0, "lag": 0, "jumps": 0}
        if here is not None:
            counts = {"overrun": here.overrun, "lag": here.lag, "jumps": here.clock.jumps}
        summed = {key: count + self._past.get(key, 0) for key, count in counts.items()}
        return summed | {"overflow": self._overflow}

    def open(self, now_ns: Clock) -> None:
        """Open the device, await its first buffers, let the clock settle.

        Takes up to 2 s where a sound server has to wake up. See sensors.driver.Driver.
        """
        self.close()
        try:
            self._open(now_ns)
        except TimeoutError as error:
            self.close()
            raise DeviceUnavailable(
                self._stream, f"the sound server does not answer within {self._timeout_s:g} s"
            ) from error
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> list[Sample]:
        """What came since, as one chunk. Raises DeviceLost after half a second of silence."""
        session, recording = self._session, self._recording
        if session is None or recording is None:
            raise DeviceLost(self._stream, "read before open")
        samples = recording.take(timeout_s)
        if not samples:
            self._check_alive(session, recording)
        self._check_sound(recording)
        return [replace(s, t_ns=s.t_ns - self._delay_ns) for s in samples]

    def close(self) -> None:
        """Release the device; a sound server that hangs is left behind after 0.8 s."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self, now_ns: Clock) -> None:
        session = self._session = portaudio.begin(self._timeout_s)
        device = find(self._stream, session, self._wanted.device)
        recording = session.within(self._timeout_s, lambda: self._start(session, device, now_ns))
        self._past, self._recording = self.counters, recording
        self._settle(session, device, recording)

    def _start(self, session: Session, device: Input, now_ns: Clock) -> Recording:
        """Open the device in the first form that it has, of those that serve us."""
        refusal: OSError | None = None
        for form in self._wanted.forms(device):
            channel = self._wanted.channel
            recording = Recording(self._stream, form.rate_hz, form.channels, channel, now_ns)
            frames = round(form.rate_hz * BUFFER_S)
            try:
                if session.start(device, form, self._callback(recording), frames):
                    return recording
            except OSError as error:  # some drivers say so of a form that they do not have
                refusal = error
                if error.errno == pyaudio.paDeviceUnavailable:
                    break
        if refusal is not None:
            busy = refusal.errno == pyaudio.paDeviceUnavailable
            kind, what = (DeviceBusy, "is busy") if busy else (DeviceUnavailable, "does not open")
            raise kind(self._stream, f"microphone '{device.name}' {what}: {refusal}") from refusal
        raise self._wanted.unmet(device)

    def _callback(self, recording: Recording) -> Callable[..., tuple[None, int]]:
        def on_buffer(data: bytes, _frames: int, _times: Any, status: int) -> tuple[None, int]:
            self._overflow += bool(status & pyaudio.paInputOverflow)
            recording.put(data)
            return None, pyaudio.paContinue

        return on_buffer

    def _settle(self, session: Session, device: Input, recording: Recording) -> None:
        """Await the first buffer; give the clock the least delay of the next half second."""
        start_s = time.monotonic()
        while not recording.take(0.1):
            if time.monotonic() - start_s > self._timeout_s:
                raise DeviceUnavailable(
                    self._stream,
                    f"microphone '{device.name}' opened but gave no sound in {self._timeout_s:g} s",
                )
        settled_s = time.monotonic() + SETTLE_S
        while time.monotonic() < settled_s:
            recording.take(0.1)
        if not session.is_active():
            raise DeviceUnavailable(self._stream, f"microphone '{device.name}' stopped at once")

    def _check_alive(self, session: Session, recording: Recording) -> None:
        silent_s = recording.silent_s
        if silent_s > SILENCE_S or not session.is_active():
            raise DeviceLost(
                self._stream, f"the microphone has given no sound for {silent_s:.1f} s"
            )

    def _check_sound(self, recording: Recording) -> None:
        """A device that claims one rate and runs at another would bend every window."""
        wanted_hz, got_hz = recording.rate_hz, recording.clock.measured_hz
        if got_hz is not None and abs(got_hz - wanted_hz) > RATE_TOLERANCE * wanted_hz:
            raise WrongFormat(
                self._stream, f"wanted {wanted_hz} Hz as the device says, it gives {got_hz:.0f}"
            )
        zero_s = recording.zero_frames / wanted_hz
        if self._max_zero_s is not None and zero_s > self._max_zero_s:
            raise DeviceLost(self._stream, f"zeros alone for {zero_s:.1f} s: muted, or moved away")
