"""PortAudio, made quiet and bounded: every call that may hang is given up after a time.

Opening and stopping hang for ever when the sound server is stopped (measured with PulseAudio), and
ALSA writes some eighty lines to stderr whenever PortAudio looks for devices.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pyaudio

from sensors.audio.bounded import call_within

CLOSE_S = 0.8
RATES_HZ = (48_000, 44_100, 32_000, 16_000, 96_000, 8_000)
"""In this order of preference: 48 kHz is the native rate of most devices, and 3 x 16 kHz."""

_NO_SUCH_FORM = (
    pyaudio.paInvalidSampleRate,
    pyaudio.paInvalidChannelCount,
    pyaudio.paSampleFormatNotSupported,
)
T = TypeVar("T")

_lock = threading.Lock()
_calls = threading.Lock()
_silent: list[Any] = []
_text, _int = ctypes.c_char_p, ctypes.c_int
_ALSA_HANDLER = ctypes.CFUNCTYPE(None, _text, _int, _text, _int, _text)
_JACK = ctypes.CFUNCTYPE(None, _text)


@dataclass(frozen=True, slots=True)
class Input:
    """An input device as PortAudio lists it."""

    index: int
    name: str
    channels: int
    default_hz: int


@dataclass(frozen=True, slots=True)
class Form:
    """How a device is opened: frames per second and channels."""

    rate_hz: int
    channels: int


def quieten() -> None:
    """Let libasound and libjack say nothing on stderr. Our errors say what matters."""
    with _lock:
        if _silent:
            return
        _say_nothing("libasound.so.2", ("snd_lib_error_set_handler",), _ALSA_HANDLER)
        _say_nothing("libjack.so.0", ("jack_set_error_function", "jack_set_info_function"), _JACK)


def _say_nothing(library: str, setters: tuple[str, ...], kind: Any) -> None:
    handler = kind(lambda *_: None)
    _silent.append(handler)  # for ever: the library holds a pointer to it
    with contextlib.suppress(OSError, AttributeError):  # not here: nothing to quieten
        for setter in setters:
            getattr(ctypes.CDLL(library), setter)(handler)


class Session:
    """One PortAudio session and at most one input stream.

    PortAudio lists devices when the first session of a process starts, so a session lasts no
    longer than its stream.
    """

    def __init__(self, audio: pyaudio.PyAudio) -> None:
        self._audio = audio
        self._stream: Any = None
        self._abandoned = False

    def within(self, timeout_s: float, work: Callable[[], T]) -> T:
        """A call that uses this session, or TimeoutError; then the session is given up.

        It is ended where the call at last returns: ending it under a running call would crash.
        """
        try:
            return call_within(timeout_s, _alone(work), undo=lambda _: self._close())
        except TimeoutError:
            self._abandoned = True
            raise

    def inputs(self) -> list[Input]:
        """All input devices."""
        found = (self._audio.get_device_info_by_index(i) for i in range(self._count()))
        return [_input(info) for info in found if info["maxInputChannels"] > 0]

    def default(self) -> Input:
        """The default input device. Raises OSError where there is none."""
        return _input(self._audio.get_default_input_device_info())

    def start(
        self, device: Input, form: Form, callback: Callable[..., Any], frames: int = 0
    ) -> bool:
        """Open the device and start calling back; False where it has no such form.

        Asking first (is_format_supported) would hang with Python's lock held (measured). Raises
        OSError for a device that cannot be opened at all.
        """
        try:
            self._stream = self._audio.open(
                rate=form.rate_hz,
                channels=form.channels,
                format=pyaudio.paFloat32,
                input=True,
                input_device_index=device.index,
                frames_per_buffer=frames,
                stream_callback=callback,
            )
        except OSError as error:
            if error.errno in _NO_SUCH_FORM:
                return False
            raise
        return True

    def rates_hz(self, device: Input) -> list[int]:
        """The rates at which the device opens, of RATES_HZ; opens and closes it for each."""
        return [rate_hz for rate_hz in sorted(RATES_HZ) if self._opens(device, Form(rate_hz, 1))]

    def _opens(self, device: Input, form: Form) -> bool:
        try:
            return self.start(device, form, lambda *_: (None, pyaudio.paComplete))
        except OSError:
            return False
        finally:
            self.stop()

    def stop(self) -> None:
        """Close the stream, keep the session. May hang."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def is_active(self) -> bool:
        """Whether PortAudio believes that the stream runs. It may be wrong."""
        try:
            return self._stream is not None and bool(self._stream.is_active())
        except OSError:
            return False

    def close(self) -> None:
        """Stop and end; given up after 0.8 s, since a stopped daemon never answers."""
        if not self._abandoned:
            # After a time-out the thread waits on; what it holds ends with the process.
            with contextlib.suppress(TimeoutError):
                call_within(CLOSE_S, _alone(self._close))

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # the device may be gone already
            self.stop()
        self._audio.terminate()

    def _count(self) -> int:
        return int(self._audio.get_device_count())


def begin(timeout_s: float) -> Session:
    """A session of its own. Raises TimeoutError where the sound server does not answer."""
    quieten()
    return call_within(timeout_s, _alone(lambda: Session(pyaudio.PyAudio())), undo=_end)


def _alone(work: Callable[[], T]) -> Callable[[], T]:
    """The call, one at a time: PortAudio is not thread-safe, and `check` opens all at once."""

    def guarded() -> T:
        with _calls:
            return work()

    return guarded


def _end(session: Session | None) -> None:
    if session is not None:
        session.close()


def _input(info: Any) -> Input:
    return Input(
        index=int(info["index"]),
        name=str(info["name"]),
        channels=int(info["maxInputChannels"]),
        default_hz=int(info["defaultSampleRate"]),
    )
