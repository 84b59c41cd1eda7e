"""Messages of audio_common -> 16 kHz mono.

They say nothing of their rate and form, and their stamps are those of a callback: so samples are
counted, and the count is fitted to the arrivals, as a microphone's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bindstream.errors import InvalidInput, WrongFormat
from bindstream.types import Array, Sample
from sensors.audio.buffers import Recording
from sensors.ros2 import definitions as ros
from sensors.ros2 import keys
from sensors.ros2.arrivals import Arrived
from sensors.ros2.diagnosis import mismatch

FORMS = {"S16LE": ("<i2", 1 << 15), "S32LE": ("<i4", 1 << 31), "F32LE": ("<f4", 1)}
"""GStreamer's names, as audio_common's ``sample_format`` has them: NumPy's, and full scale."""
OPENING_TOLERANCE, TOLERANCE = 0.25, 0.02
"""Of a second of messages that come in bursts; of what the count shows after some."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What is in the messages. ``form``: of FORMS. ``channel``: one alone, None the mean of all."""

    rate_hz: int
    channels: int
    channel: int | None
    form: str

    def __str__(self) -> str:
        return f"{self.form} at {self.rate_hz} Hz, channels: {self.channels}"


class Heard:
    """``bad`` counts messages that are no such sound, ``why`` says what the last was; ``delay_ns``
    is taken off the times."""

    kinds = frozenset({ros.AUDIO_DATA, ros.AUDIO_STAMPED})

    def __init__(self, stream: str, sound: Sound, delay_ns: int) -> None:
        self.bad = 0
        self.why = ""
        self._stream, self._sound, self._delay_ns = stream, sound, delay_ns
        self._past_jumps = self._arrival_ns = 0
        self._recording = self._begun()

    @property
    def counters(self) -> dict[str, int]:
        """``jumps``: losses that the count of samples shows."""
        return {"bad": self.bad, "jumps": self._past_jumps + self._recording.clock.jumps}

    def prove(self, arrived: Sequence[Arrived], _rate_hz: float) -> None:
        """The first messages of an opening. Raises WrongFormat for another rate, and for MP3;
        InvalidInput for what is no sound."""
        chunks = [_bytes(one) for one in arrived]
        if len(chunks) > 2 and all(_is_mp3(chunk) for chunk in chunks):
            raise WrongFormat(
                self._stream, "the messages hold MP3: launch audio_capture with format:=wave"
            )
        span_s = (arrived[-1].arrival_ns - arrived[0].arrival_ns) / 1e9
        width = np.dtype(FORMS[self._sound.form][0]).itemsize * self._sound.channels
        got_hz = sum(map(len, chunks[1:])) / width / span_s if span_s > 0 else 0.0
        if abs(got_hz - self._sound.rate_hz) > OPENING_TOLERANCE * self._sound.rate_hz:
            self._refuse(got_hz)
        self._past_jumps += self._recording.clock.jumps
        self._recording = self._begun()
        self._samples(arrived)

    def samples(self, arrived: Sequence[Arrived]) -> list[Sample]:
        """What was heard, in robot time. Raises WrongFormat where the rate is another."""
        got_hz = self._recording.clock.measured_hz
        if got_hz is not None and abs(got_hz / self._sound.rate_hz - 1) > TOLERANCE:
            self._refuse(got_hz)
        return self._samples(arrived)

    def _samples(self, arrived: Sequence[Arrived]) -> list[Sample]:
        for one in arrived:
            try:
                chunk = self._floats(_bytes(one))
            except InvalidInput as error:
                self.bad += 1
                self.why = f"{self.bad} messages could not be read, the last: {error}"
                continue
            self.why = ""
            self._arrival_ns = one.arrival_ns
            self._recording.put(chunk.tobytes())
        heard = self._recording.take(0.0)
        return [replace(one, t_ns=one.t_ns - self._delay_ns) for one in heard]

    def _floats(self, data: Array) -> Array:
        """Interleaved float32 of whole frames."""
        dtype, full_scale = FORMS[self._sound.form]
        width = np.dtype(dtype).itemsize * self._sound.channels
        if not len(data) or len(data) % width:
            raise InvalidInput(f"{len(data)} bytes are no whole frames of {self._sound}")
        floats: Array = np.frombuffer(data, dtype).astype(np.float32) / np.float32(full_scale)
        return floats

    def _begun(self) -> Recording:
        sound = self._sound
        return Recording(
            self._stream, sound.rate_hz, sound.channels, sound.channel, lambda: self._arrival_ns
        )

    def _refuse(self, got_hz: float) -> None:
        raise WrongFormat(
            self._stream,
            f"wanted {self._sound}; what comes would be {got_hz:.0f} Hz: set sound_rate_hz, "
            "channels and sample_format as audio_capture has them",
        )


def _bytes(one: Arrived) -> Array:
    kind, type_hash = keys.kind_and_hash(one.key)
    if fault := mismatch(kind, type_hash, Heard.kinds):
        raise InvalidInput(f"its publisher {fault}")
    try:
        message = ros.unpacked(kind, one.payload.to_bytes())
        data: Array = message.data if kind == ros.AUDIO_DATA else message.audio.data
    except Exception as error:  # damaged bytes provoke anything
        raise InvalidInput(f"{kind}: not read: {type(error).__name__}: {error!s:.200}") from error
    return data


def _is_mp3(data: Array) -> bool:
    """Each frame of MPEG audio begins with eleven bits of one."""
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0
