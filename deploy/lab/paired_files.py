"""Folders of paired files: what a user records of one moment with two sensors, and trains on.

::

    DIR/vision/000000_0.png, 000000_1.png   first and last frame of a moment, 8-bit RGB
    DIR/audio/000000.wav                    as long as the weights' window
    DIR/depth/000000.npy                    (H, W) float metres, or uint16 millimetres
    DIR/thermal/000000.npy                  (H, W) float kelvin, or uint16 hundredths of a kelvin
    DIR/imu/000000.npy                      (6, steps) or (steps, 6), m/s2 then rad/s
    DIR/meta.json                           {"depth": {"fx_px": .., "baseline_m": ..},
                                             "imu": {"rate_hz": .., "mean": [..], "std": [..]}}

Files of one number belong to one moment. ``imu`` mean and std may be left out: each window's own.
The files are read as `embed` reads them (`encoders.files.read`); `paired_meta` states other units.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from bindstream.errors import ConfigError, InvalidInput
from bindstream.types import Array, DepthMeta, ImuMeta, Meta, Modality, VisionMeta, Window
from deploy.lab import paired_meta
from deploy.lab.paired_meta import PairedMeta
from encoders.files import read as files
from encoders.files import sound as sound_files
from encoders.files.advice import BIND
from encoders.files.imu import Stated

_RATE_HZ = 16_000
_ENDINGS = {
    Modality.VISION: ("_0.png", "_0.jpg"),
    Modality.AUDIO: (".wav", ".flac"),
    Modality.DEPTH: (".npy", ".png", ".tiff", ".tif"),
    Modality.THERMAL: (".npy", ".png", ".tiff", ".tif"),
    Modality.IMU: (".npy", ".csv"),
}
"""How the files of a modality may end; of a moment that has several the first is taken."""


def moments(folder: Path, modalities: list[Modality]) -> list[str]:
    """The names of the moments that every one of ``modalities`` has, sorted.

    Raises ConfigError where there is none.
    """
    common = sorted(set.intersection(*(set(_found(folder, m)) for m in modalities)))
    if not common:
        kinds = ", ".join(f"{m}/*{_ENDINGS[m][0]}" for m in modalities)
        raise ConfigError(f"{folder}: no moment has all of {kinds}; see docs/bind.md")
    return common


def read(folder: Path, modality: Modality, names: list[str]) -> Iterator[tuple[Path, Window]]:
    """Each file and its window, in the order of ``names``. Raises InvalidInput (which file), and
    ConfigError for a ``meta.json`` that cannot be."""
    meta, found = paired_meta.read(folder), _found(folder, modality)
    for n, name in enumerate(names):
        file = found.get(name, folder / modality / f"{name}{_ENDINGS[modality][0]}")
        data = _data(modality, file, meta)
        yield file, _window(modality, data, _meta(modality, data, meta), n)


def write(folder: Path, name: str, window: Window) -> None:
    """One window as a file (vision: two)."""
    place = folder / window.modality
    place.mkdir(parents=True, exist_ok=True)
    data = window.data
    if window.modality is Modality.VISION:
        for n, frame in enumerate(data):
            cv2.imwrite(str(place / f"{name}_{n}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    elif window.modality is Modality.AUDIO:
        _write_wav(place / f"{name}.wav", data)
    else:
        np.save(place / f"{name}.npy", data)


def write_meta(folder: Path, windows: dict[Modality, Window]) -> None:
    """``meta.json``: what the front ends need beside the files."""
    said: dict[str, dict[str, float]] = {}
    for window in windows.values():
        if isinstance(window.meta, DepthMeta):
            said["depth"] = {"fx_px": window.meta.fx_px, "baseline_m": window.meta.baseline_m}
        if isinstance(window.meta, ImuMeta):
            said["imu"] = {"rate_hz": window.meta.rate_hz}
    (folder / "meta.json").write_text(json.dumps(said, indent=1))


def _found(folder: Path, modality: Modality) -> dict[str, Path]:
    """The files of a modality by the names of their moments."""
    found: dict[str, Path] = {}
    for ending in _ENDINGS[modality]:
        for file in (folder / modality).glob(f"*{ending}"):
            found.setdefault(file.name.removesuffix(ending), file)
    return found


def _data(modality: Modality, file: Path, meta: PairedMeta) -> Array:
    if modality is Modality.VISION:
        return _read_frames(file)
    if modality is Modality.AUDIO:
        return sound_files.at_16k(*files.read_audio(file))
    if modality is Modality.DEPTH:
        return files.read_depth(file, meta.get(modality, "scale_m"), meta.invalid(), BIND)
    if modality is Modality.THERMAL:
        scale, offset = meta.get(modality, "kelvin_scale"), meta.get(modality, "kelvin_offset", 0.0)
        return files.read_thermal(file, scale, offset, meta.rows(), BIND)
    stated = Stated(*(meta.get(modality, key) for key in ("accel_unit", "gyro_unit", "columns")))
    return files.read_imu(file, stated, BIND)


def _meta(modality: Modality, data: Array, meta: PairedMeta) -> Meta:
    if modality is Modality.DEPTH:
        return DepthMeta(meta.needed(modality, "fx_px"), meta.needed(modality, "baseline_m"))
    if modality is Modality.IMU:
        mean = meta.get(modality, "mean") or data.mean(axis=1).tolist()
        std = meta.get(modality, "std") or data.std(axis=1).tolist()
        return ImuMeta(meta.needed(modality, "rate_hz"), tuple(mean), tuple(std))
    return VisionMeta(span_ns=0) if modality is Modality.VISION else None


def _window(modality: Modality, data: Array, meta: Meta, seq: int) -> Window:
    return Window(
        robot="files",
        stream=str(modality),
        modality=modality,
        epoch=1,
        seq=seq,
        start_ns=0,
        end_ns=1,
        data=data,
        meta=meta,
    )


def _read_frames(first: Path) -> Array:
    second = first.with_stem(first.stem.removesuffix("_0") + "_1")
    frames = [files.read_image(f) for f in (first, second) if f.is_file()]
    if len({f.shape for f in frames}) > 1:
        raise InvalidInput(f"{first}: its second frame has another size")
    return np.stack(frames)


def _write_wav(file: Path, sound: Array) -> None:
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(_RATE_HZ)
        wav.writeframes((sound * 32767).round().astype("<i2").tobytes())
