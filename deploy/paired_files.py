"""Folders of paired files: what a user records of one moment with two sensors, and trains on.

::

    DIR/vision/000000_0.png, 000000_1.png   first and last frame of a moment, 8-bit RGB
    DIR/audio/000000.wav                    mono, 16 kHz, 16 bit, as long as the weights' window
    DIR/depth/000000.npy                    (H, W) float, metres, 0 = hole
    DIR/thermal/000000.npy                  (H, W) float, kelvin
    DIR/imu/000000.npy                      (6, steps) float, m/s2 then rad/s
    DIR/meta.json                           {"depth": {"fx_px": .., "baseline_m": ..},
                                             "imu": {"rate_hz": .., "mean": [..], "std": [..]}}

Files of one number belong to one moment. ``imu`` mean and std may be left out: each window's own.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bindstream.errors import ConfigError, InvalidInput
from bindstream.types import Array, DepthMeta, ImuMeta, Meta, Modality, VisionMeta, Window

_RATE_HZ = 16_000
_SUFFIX = {
    Modality.VISION: "_0.png",
    Modality.AUDIO: ".wav",
    Modality.DEPTH: ".npy",
    Modality.THERMAL: ".npy",
    Modality.IMU: ".npy",
}


def moments(folder: Path, modalities: list[Modality]) -> list[str]:
    """The names of the moments that every one of ``modalities`` has, sorted.

    Raises ConfigError where there is none.
    """
    sets = []
    for modality in modalities:
        suffix = _SUFFIX[modality]
        names = [f.name.removesuffix(suffix) for f in (folder / modality).glob(f"*{suffix}")]
        sets.append(set(names))
    common = sorted(set.intersection(*sets))
    if not common:
        kinds = ", ".join(f"{m}/*{_SUFFIX[m]}" for m in modalities)
        raise ConfigError(f"{folder}: no moment has all of {kinds}; see docs/bind.md")
    return common


def read(folder: Path, modality: Modality, names: list[str]) -> Iterator[Window]:
    """The windows of a modality, in the order of ``names``. Raises InvalidInput (which file)."""
    said = _meta_of(folder)
    for n, name in enumerate(names):
        file = folder / modality / f"{name}{_SUFFIX[modality]}"
        data = _READERS[modality](file)
        yield _window(modality, data, _meta(modality, data, said, folder), n)


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


def _meta_of(folder: Path) -> dict[str, Any]:
    file = folder / "meta.json"
    if not file.is_file():
        return {}
    try:
        said = json.loads(file.read_text())
    except ValueError as error:
        raise ConfigError(f"{file}: not JSON ({error})") from error
    if not isinstance(said, dict):
        raise ConfigError(f"{file}: wants an object by modality, got {type(said).__name__}")
    return said


def _meta(modality: Modality, data: Array, said: dict[str, Any], folder: Path) -> Meta:
    mine = said.get(str(modality), {})
    try:
        if modality is Modality.DEPTH:
            return DepthMeta(float(mine["fx_px"]), float(mine["baseline_m"]))
        if modality is Modality.IMU:
            mean = mine.get("mean") or data.mean(axis=1).tolist()
            std = mine.get("std") or data.std(axis=1).tolist()
            return ImuMeta(float(mine["rate_hz"]), tuple(mean), tuple(std))
    except KeyError as error:
        raise ConfigError(
            f"{folder}/meta.json: {modality} wants {error}; see docs/bind.md"
        ) from error
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
        n_missing=0,
        captured_ns=0,
        windowed_ns=0,
        deadline_ns=1,
    )


def _read_frames(first: Path) -> Array:
    second = first.with_name(first.name.replace("_0.png", "_1.png"))
    frames = [_read_png(f) for f in (first, second) if f.is_file()]
    if len({f.shape for f in frames}) > 1:
        raise InvalidInput(f"{first}: its second frame has another size")
    return np.stack(frames)


def _read_png(file: Path) -> Array:
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise InvalidInput(f"{file}: not a picture that can be read")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _read_wav(file: Path) -> Array:
    try:
        with wave.open(str(file), "rb") as wav:
            got = (wav.getnchannels(), wav.getframerate(), 8 * wav.getsampwidth())
            raw = wav.readframes(wav.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise InvalidInput(f"{file}: not a WAV file that can be read ({error})") from error
    if got != (1, _RATE_HZ, 16):
        raise InvalidInput(f"{file}: wants mono, 16000 Hz, 16 bit, got {got}")
    return np.frombuffer(raw, "<i2").astype(np.float32) / 32768


def _write_wav(file: Path, sound: Array) -> None:
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(_RATE_HZ)
        wav.writeframes((sound * 32767).round().astype("<i2").tobytes())


def _read_array(file: Path) -> Array:
    try:
        array = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InvalidInput(f"{file}: not a NumPy array file ({error})") from error
    return np.asarray(array, dtype=np.float32)


_READERS = {
    Modality.VISION: _read_frames,
    Modality.AUDIO: _read_wav,
    Modality.DEPTH: _read_array,
    Modality.THERMAL: _read_array,
    Modality.IMU: _read_array,
}
