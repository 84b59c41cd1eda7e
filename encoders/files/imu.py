"""IMU files -> (6, n) m/s2 and rad/s: ``.npy`` lying either way, or a table of numbers as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bindstream import imu, imu_columns
from bindstream.doubt import Doubt
from bindstream.errors import InvalidInput
from bindstream.imu_columns import Columns
from bindstream.types import Array
from encoders.files import advice as words
from encoders.files.decoding import decoding, is_npy, npy
from encoders.files.table import read_table

SLOWEST_HZ, FASTEST_HZ = 5.0, 5000.0
_STEPS_S = (1.0, 1e-3, 1e-6, 1e-9)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a file does not say. None: as its heading says, else SI; ``columns`` in order, the six
    axes, ``t`` and any others."""

    accel_unit: str | None = None
    gyro_unit: str | None = None
    columns: Sequence[str] | None = None


def read_imu(path: Path, stated: Stated | None = None, advice: words.Advice = words.EMBED) -> Array:
    """Six columns (accelerometer, gyroscope) of a ``.npy`` or text -> float32 (6, n), SI."""
    return read_motion(path, stated, advice)[0]


def read_motion(
    path: Path, stated: Stated | None = None, advice: words.Advice = words.EMBED
) -> tuple[Array, float | None]:
    """As ``read_imu``, and readings per second where the file has a time column.

    By their times readings are put at even steps, on straight lines between them. Raises
    InvalidInput for what no IMU feels (`bindstream.imu.doubt`), with the likely cause.
    """
    stated = stated or Stated()
    with decoding(path, "a table of numbers"):
        table, heading = _npy(path) if is_npy(path) else read_table(path)
        columns = _columns(table, heading, stated, advice)
        accel_unit = stated.accel_unit or _told(columns, "accelerometer", advice) or "m/s2"
        gyro_unit = stated.gyro_unit or _told(columns, "gyroscope", advice) or "rad/s"
        raw = imu.rows(np.stack([table[:, n] for n in columns.axes]))
        if raw.shape[1] < 2:
            raise InvalidInput(f"wants six columns over time, got {raw.shape[1]} readings")
        signal = imu.si(raw, accel_unit, gyro_unit)
        if doubt := imu.doubt(signal, accel_unit, gyro_unit):
            raise words.refusal(doubt, advice, *_setting(doubt))
        if columns.time is None:
            return signal, None
        return _even(signal, _times(table[:, columns.time], columns.seconds))


def _told(columns: Columns, sensor: str, advice: words.Advice) -> str | None:
    try:
        return columns.unit_of(sensor)
    except InvalidInput as error:
        said = advice["accel_unit" if sensor == "accelerometer" else "gyro_unit"].format("UNIT")
        raise InvalidInput(f"{error}: state it by {said}") from error


def _setting(doubt: Doubt) -> tuple[str, str]:
    if doubt.unit:
        return ("accel_unit" if doubt.unit in imu.ACCEL_UNITS else "gyro_unit"), doubt.unit
    if "come first" in doubt.likely:
        return "columns", "gx,gy,gz,ax,ay,az"
    return "", ""


def _columns(table: Array, heading: list[str], stated: Stated, advice: words.Advice) -> Columns:
    count = table.shape[1]
    if stated.columns is not None:
        return imu_columns.stated(stated.columns, count)
    try:
        return imu_columns.by_heading(heading) or imu_columns.by_count(table)
    except InvalidInput as error:
        named = f" called {', '.join(heading)}" if heading else " without names"
        told = advice["columns"].format("t,ax,ay,az,gx,gy,gz")
        raise InvalidInput(f"{error}{named}: name all in order, as by {told}") from error


def _npy(path: Path) -> tuple[Array, list[str]]:
    array = npy(path)
    if array.dtype.names:
        names = list(array.dtype.names)
        return np.stack([array[name].astype(np.float64) for name in names], axis=1), names
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise InvalidInput(f"wants six columns over time, got {array.dtype} {array.shape}")
    lying = array.shape[0] == len(imu.AXES) or array.shape[0] < array.shape[1]
    return (array.T if lying else array).astype(np.float64), []


def _times(column: Array, seconds: float | None) -> Array:
    """A time column in s, from its first. Raises InvalidInput where it runs back, or its unit
    cannot be told."""
    if not np.isfinite(column).any():
        raise InvalidInput("its time column holds no numbers, such as seconds; leave it out")
    since = np.asarray(column, np.float64) - float(column[0])
    steps = np.diff(since)
    if not np.isfinite(since).all() or not (steps > 0).all():
        at = int(np.argmin(np.where(np.isfinite(steps), steps > 0, False))) + 1
        raise InvalidInput(f"its time column does not rise from reading {at} to {at + 1}")
    step = float(np.median(steps))
    if seconds is None:
        seconds = next((u for u in _STEPS_S if SLOWEST_HZ <= 1 / (u * step) <= FASTEST_HZ), None)
    if seconds is None:
        raise InvalidInput(
            f"its time column steps by {step:g}: taken as s, ms, us or ns that is no rate from"
            f" {SLOWEST_HZ:g} to {FASTEST_HZ:g} Hz"
        )
    return since * seconds


def _even(signal: Array, times_s: Array) -> tuple[Array, float]:
    rate_hz = 1 / float(np.median(np.diff(times_s)))
    count = round(float(times_s[-1]) * rate_hz) + 1
    if count > 100 * signal.shape[1]:
        raise InvalidInput(f"{signal.shape[1]} readings in {times_s[-1]:.0f} s: mostly gaps")
    at_s = np.arange(count) / rate_hz
    rows = [np.interp(at_s, times_s, row) for row in signal]
    return np.stack(rows).astype(np.float32), rate_hz
