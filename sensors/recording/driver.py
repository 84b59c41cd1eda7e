"""One stream of a recording, played as a sensor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bindstream.errors import DeviceLost, DeviceUnavailable, StreamEnded, WrongFormat
from bindstream.imu import ACCEL_UNITS, GYRO_UNITS
from bindstream.types import SENSED, DepthMeta, Modality, Sample
from sensors import options
from sensors.driver import Clock
from sensors.recording.folder import Units
from sensors.recording.opening import opened
from sensors.recording.track import Recording, Track
from sensors.ros2.unpacking import Reading

SAMPLES_AT_ONCE, BYTES_AT_ONCE = 256, 8 << 20
LOOK_S = 0.005
"""How long what is not due yet is slept over: at any speed it is then late by no more."""


class Player:
    """One stream of an MCAP, a bag of rosbag2, or a folder of files, from its beginning to its end.

    ``file``: which. ``modality``: of the stream. ``source``: where in the file it is: a topic, or a
    stream's recorded name (by default, that of this stream). ``rate_hz``: of pictures that have no
    times. ``scale``: metres or kelvin of one count of 16 bits. ``fx_px`` and ``baseline_m``: of
    depth, where the file does not say. ``accel_unit``, ``gyro_unit``: of a CSV without units.

    Wants a robot with ``time: streams``. Raises ConfigError for an option that cannot be.
    """

    recorded = True
    latency_ms = 0.0

    def __init__(
        self,
        stream: str,
        *,
        file: str,
        modality: str,
        source: str | None = None,
        rate_hz: float | None = None,
        scale: float | None = None,
        fx_px: float | None = None,
        baseline_m: float | None = None,
        accel_unit: str | None = None,
        gyro_unit: str | None = None,
    ) -> None:
        chosen = options.one_of(stream, "modality", modality, map(str, SENSED))
        self.modality = Modality(chosen)
        self.rate_hz = 0.0
        if rate_hz is not None:
            self.rate_hz = options.number(stream, "rate_hz", rate_hz, 0.001, 200_000.0)
        self._stream = stream
        self._path = Path(options.text(stream, "file", file))
        self._source = None if source is None else options.text(stream, "source", source)
        self._units = _units(stream, accel_unit, gyro_unit)
        if scale is not None:
            scale = options.number(stream, "scale", scale, 1e-6, 10.0)
        meta = _meta(stream, fx_px, baseline_m)
        self._reading = Reading(stream, self.modality, scale, meta)
        self._recording: Recording | None = None
        self._samples: Iterator[Sample | None] | None = None
        self._next: Sample | None = None
        self._ended = self._is_open = False
        self._refused = 0
        self._now_ns: Clock = time.time_ns
        self.why = ""

    @property
    def starts_ns(self) -> int:
        """When the whole recording begins. Raises ConfigError where it cannot be read."""
        return self._opened().starts_ns

    @property
    def counters(self) -> dict[str, int]:
        """``unread``: messages that could not be read; ``damaged``: places of the file."""
        damaged = self._recording.damaged if self._recording else 0
        return {"unread": self._refused, "damaged": damaged}

    def open(self, now_ns: Clock) -> None:
        """See sensors.driver.Driver. Opened again, it goes on where it was."""
        self._now_ns = now_ns
        if self._samples is None:
            recording = self._opened()
            track = self._track(recording)
            self.rate_hz = self.rate_hz or track.rate_hz
            self._samples = recording.samples(track, self._reading, self._refuse)
        self._is_open = True

    def read(self, timeout_s: float) -> list[Sample]:
        """What is due by now, oldest first."""
        if not self._is_open or self._samples is None:
            raise DeviceLost(self._stream, "read before open")
        until_s = time.monotonic() + timeout_s
        due_ns, given, size = self._now_ns(), list[Sample](), 0
        while len(given) < SAMPLES_AT_ONCE and size < BYTES_AT_ONCE:
            sample = self._peek(self._samples)
            if sample is None and not self._ended and time.monotonic() < until_s:
                continue  # not found yet: the file is long
            if sample is None or sample.t_ns > due_ns:
                break
            given.append(sample)
            size += sample.data.nbytes
            self._next = None
        if self._ended and not given and self._next is None:
            raise StreamEnded(self._stream, f"{self._path} has ended")
        if not given:
            time.sleep(max(0.0, min(until_s - time.monotonic(), LOOK_S)))
        return given

    def close(self) -> None:
        """See sensors.driver.Driver: what was read stays read."""
        self._is_open = False

    def _peek(self, samples: Iterator[Sample | None]) -> Sample | None:
        """The next sample; None where none is found yet, or at the end."""
        if self._next is None and not self._ended:
            try:
                self._next = next(samples)
            except StopIteration:
                self._ended = True
        return self._next

    def _opened(self) -> Recording:
        if self._recording is None:
            if not self._path.exists():
                raise DeviceUnavailable(self._stream, f"{self._path}: no such file or folder")
            self._recording = opened(self._path, self.rate_hz, self._units)
        return self._recording

    def _track(self, recording: Recording) -> Track:
        wanted = self._source or self._stream
        track = recording.track(wanted)
        if track is None:
            tracks = recording.tracks()
            held = ", ".join(f"{t.stream} ({t.modality}, {t.source})" for t in tracks) or "none"
            raise WrongFormat(
                self._stream, f"{self._path} holds no stream '{wanted}' (source); it holds {held}"
            )
        maps = (Modality.DEPTH, Modality.THERMAL)  # 16 bits a pixel may be either
        if track.modality != self.modality and not {track.modality, self.modality} <= {*maps}:
            raise WrongFormat(
                self._stream, f"wants {self.modality}, but {track.source} holds {track.modality}"
            )
        if self.modality is Modality.DEPTH and not (track.meta or self._reading.meta):
            raise WrongFormat(self._stream, f"{track.source}: needs fx_px and baseline_m")
        return track

    def _refuse(self, error: Exception) -> None:
        self._refused += 1
        self.why = f"{self._refused} messages could not be read, the last: {error}"


def _meta(stream: str, fx_px: float | None, baseline_m: float | None) -> DepthMeta | None:
    if fx_px is None and baseline_m is None:
        return None
    return DepthMeta(
        fx_px=options.number(stream, "fx_px", fx_px, 1.0, 100_000.0),
        baseline_m=options.number(stream, "baseline_m", baseline_m, 1e-4, 10.0),
    )


def _units(stream: str, accel: str | None, gyro: str | None) -> Units:
    if accel is not None:
        accel = options.one_of(stream, "accel_unit", accel, ACCEL_UNITS)
    if gyro is not None:
        gyro = options.one_of(stream, "gyro_unit", gyro, GYRO_UNITS)
    return Units(accel, gyro)
