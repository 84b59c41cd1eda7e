"""A folder of plain files as a recording: pictures, WAV, and CSV of an IMU with units.

::

    drive/
      front/1700000000.000.jpg ...   8 bits: a camera; 16 bits or floats: depth or heat
      ears.wav                       sound; its name may be its time
      imu.csv                        t_s,ax_m/s2,ay_m/s2,az_m/s2,gx_deg/s,gy_deg/s,gz_deg/s

A stream is called as its folder or file is. A name that is a number of ten digits or more is a
time since 1970, in seconds, milliseconds, microseconds or nanoseconds; pictures that are merely
numbered need a rate. What has no time of its own begins when the folder does.
"""

from __future__ import annotations

import csv
import re
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bindstream import imu, imu_columns, sound
from bindstream.errors import ConfigError, InvalidInput
from bindstream.imu_columns import Columns
from bindstream.types import Array, Modality, Sample
from sensors.recording.bag import LACKS_CAMERA, stream_name
from sensors.recording.track import Track, named
from sensors.ros2.packing import measured
from sensors.ros2.unpacking import Reading
from sensors.video.opencv import cv2

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}
NOWHEN_NS = 946_684_800 * 10**9
"""When a folder begins that says nothing of time: 2000-01-01, a time that nobody takes for real."""
LACKS_RATE = "pictures per second (rate_hz), since their names are no times"
LACKS_UNITS = (
    "units: name the columns such as ax_m/s2 and gx_deg/s (or state accel_unit, gyro_unit)"
)
CHUNK = 1024
_DATED = re.compile(r"\d{10,19}(\.\d+)?\Z")
_STEPS = ((10**17, 1), (10**14, 10**3), (10**11, 10**6), (0, 10**9))
"""From which number on a time is in nanoseconds, microseconds, milliseconds, else seconds."""


class Units(NamedTuple):
    """What a table of an IMU does not say itself; None: its heading does."""

    accel: str | None = None
    gyro: str | None = None


class Folder:
    """See ``track.Recording``. ``rate_hz``: of pictures without times; ``units``: of tables without
    any. Raises ConfigError for a place that holds none of it."""

    def __init__(self, path: Path, rate_hz: float = 0.0, units: Units | None = None) -> None:
        self.path = path
        self._rate_hz, self._units = rate_hz, units or Units()
        self._places = _places(path)
        if not self._places:
            raise ConfigError(
                f"{path}: holds no recording: wanted MCAP, rosbag2, or pictures, WAV and CSV files"
            )

    @property
    def damaged(self) -> int:
        """None is looked for: what cannot be read of a file is told as it is met."""
        return 0

    @cached_property
    def starts_ns(self) -> int:
        """The earliest time that a file or its name tells."""
        told = [self._first_ns(place) for place in self._places]
        return min((ns for ns in told if ns), default=NOWHEN_NS)

    def tracks(self) -> list[Track]:
        """See ``track.Recording``."""
        return [self._track(place) for place in self._places]

    def track(self, wanted: str) -> Track | None:
        """See ``track.Recording``."""
        return named(self.tracks(), wanted)

    def samples(
        self, track: Track, reading: Reading, refused: Callable[[Exception], None]
    ) -> Iterator[Sample | None]:
        """See ``track.Recording``."""
        place = self.path / track.source
        read = {Modality.AUDIO: self._heard, Modality.IMU: self._felt}
        for sample in read.get(track.modality, self._pictures)(place, reading):
            if isinstance(sample, InvalidInput):
                refused(sample)
            else:
                yield sample

    # what there is ----------------------------------------------------------------------------

    def _track(self, place: Path) -> Track:
        source = str(place.relative_to(self.path)) if place != self.path else "."
        track = Track(stream_name(place.stem), Modality.VISION, source)
        if place.is_dir():
            return self._of_pictures(track, place)
        if place.suffix.lower() == ".wav":
            with _opened(place) as file:
                return replace(track, modality=Modality.AUDIO, rate_hz=float(file.getframerate()))
        columns = _Table(place, self._units).columns
        lacks = "" if columns is not None else LACKS_UNITS
        return replace(track, modality=Modality.IMU, rate_hz=self._rate_hz, lacks=lacks)

    def _of_pictures(self, track: Track, place: Path) -> Track:
        files = _pictures(place)
        first = cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED)
        if first is not None and first.dtype != np.uint8:
            track = replace(track, modality=Modality.DEPTH, lacks=LACKS_CAMERA)
        times = [time_of(file) for file in files[:2]] + [time_of(files[-1])]
        if None in times:
            lacks = "" if self._rate_hz else LACKS_RATE
            return replace(track, rate_hz=self._rate_hz, lacks=track.lacks or lacks)
        length_s = ((times[-1] or 0) - (times[0] or 0)) / 1e9
        return replace(track, rate_hz=(len(files) - 1) / length_s if length_s > 0 else 0.0)

    def _first_ns(self, place: Path) -> int | None:
        if place.is_dir():
            return time_of(_pictures(place)[0])
        if place.suffix.lower() == ".wav":
            return time_of(place)
        return _Table(place, self._units).first_ns()

    # samples ----------------------------------------------------------------------------------

    def _pictures(self, place: Path, reading: Reading) -> Iterator[Sample | InvalidInput]:
        for n, file in enumerate(_pictures(place)):
            t_ns = time_of(file)
            if t_ns is None:
                t_ns = self.starts_ns + round(n * 1e9 / (self._rate_hz or 30.0))
            try:
                yield Sample(reading.stream, t_ns, _picture(file, reading), t_ns, reading.meta)
            except InvalidInput as error:
                yield InvalidInput(f"{file}: {error}")

    def _heard(self, place: Path, reading: Reading) -> Iterator[Sample]:
        start_ns = time_of(place) or self.starts_ns
        with _opened(place) as file:
            rate, channels = file.getframerate(), file.getnchannels()
            heard = 0
            while content := file.readframes(CHUNK):
                data = sound.from_pcm(content, file.getsampwidth())[::channels].copy()
                t_ns = start_ns + heard * 10**9 // rate
                heard += len(data)
                yield Sample(reading.stream, t_ns, data, start_ns + heard * 10**9 // rate)

    def _felt(self, place: Path, reading: Reading) -> Iterator[Sample | InvalidInput]:
        table = _Table(place, self._units)
        for n, row in enumerate(table.rows()):
            if isinstance(row, InvalidInput):
                yield row
                continue
            t_ns = table.t_ns(row, self.starts_ns)
            if t_ns is None:
                t_ns = self.starts_ns + round(n * 1e9 / (self._rate_hz or 100.0))
            yield Sample(reading.stream, t_ns, table.reading(row), t_ns)


class _Table:
    """A CSV of an IMU. ``columns`` is None where its units are not known."""

    def __init__(self, path: Path, units: Units) -> None:
        self._path = path
        with path.open(newline="", errors="replace") as file:
            heading = next(csv.reader(file), [])
        self._width = len(heading)
        try:
            found = imu_columns.by_heading(heading)
            accel = units.accel or (found and found.unit_of("accelerometer"))
            gyro = units.gyro or (found and found.unit_of("gyroscope"))
        except InvalidInput as error:
            raise ConfigError(f"{path}: {error}") from error
        self.columns: Columns | None = found if accel and gyro else None
        self._accel, self._gyro = accel or "m/s2", gyro or "rad/s"
        self._zero_s: float | None = None

    def rows(self) -> Iterator[list[float] | InvalidInput]:
        """Each line as numbers, the heading left out."""
        with self._path.open(newline="", errors="replace") as file:
            for n, line in enumerate(csv.reader(file)):
                if n == 0 or not line:
                    continue
                yield self._row(line, n + 1)

    def _row(self, line: list[str], number: int) -> list[float] | InvalidInput:
        place = f"{self._path}, line {number}"
        if len(line) != self._width:
            return InvalidInput(f"{place}: {len(line)} columns, its heading has {self._width}")
        try:
            row = [float(word) if word.strip() else np.nan for word in line]
        except ValueError as error:
            return InvalidInput(f"{place}: {error}")
        at = self.columns.time if self.columns else None
        if at is not None and not np.isfinite(row[at]):
            return InvalidInput(f"{place}: has no time")
        return row

    def t_ns(self, row: list[float], starts_ns: int) -> int | None:
        """When a line was felt: Unix time where it is one, else since the first line."""
        columns = self.columns
        if columns is None or columns.time is None:
            return None
        at = row[columns.time]
        step_ns = round((columns.seconds or 1.0) * 1e9)
        if columns.seconds is None and at >= _STEPS[2][0]:
            step_ns = next(step for least, step in _STEPS if at >= least)
        if at * step_ns >= 10**9 * 10**9:
            return round(at * step_ns) if step_ns > 1 else int(at)
        self._zero_s = at if self._zero_s is None else self._zero_s
        return starts_ns + round((at - self._zero_s) * step_ns)

    def first_ns(self) -> int | None:
        """Unix time of the first line; None where it tells none."""
        first = next((row for row in self.rows() if not isinstance(row, InvalidInput)), None)
        t_ns = self.t_ns(first, 0) if first else None
        self._zero_s = None
        return t_ns or None

    def reading(self, row: list[float]) -> Array:
        """(6,) float32, m/s2 and rad/s."""
        assert self.columns is not None  # noqa: S101 - else its track lacks units
        raw = np.array([row[n] for n in self.columns.axes], np.float64)
        return imu.si(raw[:, None], self._accel, self._gyro)[:, 0]


def time_of(path: Path) -> int | None:
    """Unix nanoseconds that a file's name is; None where it is no time."""
    if not _DATED.match(path.stem):
        return None
    whole, _, part = path.stem.partition(".")
    step_ns = next(step for least, step in _STEPS if int(whole) >= least)
    return int(whole) * step_ns + (round(float(f"0.{part}") * step_ns) if part else 0)


def _places(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.suffix.lower() in (".wav", ".csv") else []
    found = [
        place
        for place in sorted(path.iterdir())
        if place.suffix.lower() in (".wav", ".csv") or (place.is_dir() and _pictures(place))
    ]
    return found or ([path] if _pictures(path) else [])


def _pictures(folder: Path) -> list[Path]:
    """In the order of their numbers, else of their names."""
    found = [file for file in folder.iterdir() if file.suffix.lower() in PICTURES]
    return sorted(found, key=lambda file: (_number(file), file.name))


def _number(file: Path) -> float:
    digits = re.findall(r"\d+(?:\.\d+)?", file.stem)
    return float(digits[-1]) if digits else 0.0


def _picture(file: Path, reading: Reading) -> Array:
    """As the modality has it. Raises InvalidInput."""
    if (held := cv2.imcount(str(file))) > 1:
        raise InvalidInput(f"holds {held} pictures: save each to a file of its own")
    coloured = reading.modality is Modality.VISION
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR if coloured else cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise InvalidInput("is not a picture that OpenCV can read")
    if not coloured:
        return measured(pixels, reading.modality, reading.scale)
    array: Array = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return array


def _opened(path: Path) -> wave.Wave_read:
    try:
        file: wave.Wave_read = wave.open(str(path))  # noqa: SIM115 - the caller's to close
    except Exception as error:  # `wave` has no closed list of them
        raise ConfigError(
            f"{path}: wanted PCM WAV, got what is none ({error}): ffmpeg -i {path.name} out.wav"
        ) from error
    if file.getsampwidth() not in sound.PCM_BYTES:
        raise ConfigError(f"{path}: samples of {file.getsampwidth()} bytes are not read")
    return file
