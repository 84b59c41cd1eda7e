"""Paired files of the simulated world, as a user would have recorded them with two sensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from rich.progress import track

from bindstream.types import SENSED, Array, Modality, Window
from deploy.lab import paired_files
from deploy.lab import pictures as scenes


def write(folder: Path, count: int, seed: int, sensor: str | None, *, odd: bool) -> None:
    """``count`` moments of the camera and of ``sensor`` (None: of all), `paired_files` layout.

    ``odd``: the sensor is not the one that the weights were trained with, see `oddly`.
    """
    kept = set(SENSED) if sensor is None else {Modality.VISION, Modality(sensor)}
    for index in track(range(count), description="pairs"):
        cut, _ = scenes.scene(seed, index, "test")
        chosen = {m: oddly(w) if odd else w for m, w in cut.items() if m in kept}
        for window in chosen.values():
            paired_files.write(folder, f"{index:06d}", window)
        if index == 0:
            paired_files.write_meta(folder, chosen)


def oddly(window: Window) -> Window:
    """The same moment by a sensor that nobody trained for: pictures hang upside down, heat is
    read 12 K too high with 60 % of its contrast, sound is thin and quiet, the IMU lies on its
    side. The camera stays as it is."""
    change = _ODD.get(window.modality)
    if change is None:
        return window
    return replace(window, data=np.asarray(change(window.data), dtype=window.data.dtype))


def _hung_over(picture: Array) -> Array:
    return picture[::-1, ::-1]


def _misread(kelvin: Array) -> Array:
    return 304.0 + 0.6 * (_hung_over(kelvin) - 292.0)


def _thin(sound: Array) -> Array:
    return 0.3 * np.diff(sound, prepend=sound[:1])


def _on_its_side(signal: Array) -> Array:
    return signal[[0, 2, 1, 3, 5, 4]] * np.array([[1], [1], [-1], [1], [1], [-1]], np.float32)


_ODD: dict[Modality, Callable[[Array], Array]] = {
    Modality.DEPTH: _hung_over,
    Modality.THERMAL: _misread,
    Modality.AUDIO: _thin,
    Modality.IMU: _on_its_side,
}
