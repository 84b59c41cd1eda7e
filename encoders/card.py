"""What a weights file says of itself, read without torch: `check` and the graph need no model.

A safetensors file of ours carries one JSON object under the metadata key ``bindstream``:
``name``, ``space_id``, ``config`` (fields of ImageBindConfig that differ from imagebind_huge),
``windows``, ``vocabulary``, ``front_ends``, ``licence``, ``description``. The official file says
nothing; it is known by its name or by its keys.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from bindstream.errors import WeightsError
from bindstream.types import SENSED, Modality
from encoders.fingerprint import cache_dir, recalled
from encoders.imagebind_config import ImageBindConfig

SHIPPED = "bindstream_tiny"
OFFICIAL = "imagebind_huge"
METADATA_KEY = "bindstream"
UNKNOWN_HASH = "unverified"
OFFICIAL_LICENCE = "CC BY-NC 4.0 (Meta Platforms): not for commercial use"
_MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit


@dataclass(frozen=True, slots=True)
class WindowFormat:
    """What one window of a modality must be. ``length_s`` seconds (None: a single frame);
    ``frames`` in it (0: not made of frames)."""

    length_s: float | None = None
    frames: int = 0


class Entry(NamedTuple):
    """One tensor of a safetensors header: ``dtype`` as written there, e.g. F32."""

    dtype: str
    shape: tuple[int, ...]


USUAL = {
    Modality.VISION: WindowFormat(2.0, 2),
    Modality.AUDIO: WindowFormat(2.0),
    Modality.DEPTH: WindowFormat(None, 1),
    Modality.THERMAL: WindowFormat(None, 1),
    Modality.IMU: WindowFormat(5.0),
}


@dataclass(frozen=True, slots=True)
class Card:
    """A weights file's description.

    ``windows`` has an entry for each sensed modality it holds. ``space_id`` ends in
    ``unverified`` where only hashing the weights can tell (the official file, before first use).
    ``vocabulary`` is None where words are CLIP's byte pairs.
    """

    path: Path
    name: str
    space_id: str
    modalities: frozenset[Modality]
    config: ImageBindConfig
    windows: dict[Modality, WindowFormat]
    vocabulary: dict[str, Any] | None = None
    front_ends: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    description: str = ""

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self.config.out_embed_dim

    def said(self) -> dict[str, Any]:
        """What a file carries to give this card again: the JSON object of its metadata."""
        windows = {m: {"length_s": w.length_s, "frames": w.frames} for m, w in self.windows.items()}
        return {
            "name": self.name,
            "space_id": self.space_id,
            "config": self.config.overrides(),
            "windows": {str(m): window for m, window in windows.items()},
            "vocabulary": self.vocabulary,
            "front_ends": self.front_ends,
            "licence": self.licence,
            "description": self.description,
        }


def resolve(weights: str | Path | None) -> Path:
    """A weights file by name or path; None or ``bindstream_tiny``: the shipped one.

    A name with a suffix is a path. ``imagebind_huge`` is looked for where ``bindstream weights
    fetch`` puts it. Raises WeightsError when it is not there.
    """
    if weights is None or str(weights) == SHIPPED:
        return _shipped()
    path = Path(weights).expanduser()
    if str(weights) == OFFICIAL:
        files = (cache_dir() / f"{OFFICIAL}{suffix}" for suffix in (".safetensors", ".pth"))
        found = [file for file in files if file.is_file()]
        if not found:
            raise WeightsError(
                f"{OFFICIAL}: not in {cache_dir()}; get it by 'bindstream weights fetch'"
            )
        return found[0]
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such weights file; '{SHIPPED}' is shipped,"
            f" '{OFFICIAL}' comes by 'bindstream weights fetch'"
        )
    return path


def read_card(weights: str | Path | None) -> Card:
    """The card of a file (or of a name that ``resolve`` knows), from its header alone.

    Raises WeightsError: unreadable, truncated, or not a file of a model we know.
    """
    path = resolve(weights)
    if path.suffix in (".pth", ".pt"):
        return _official(path, frozenset(Modality))
    metadata, entries = read_header(path)
    modalities = held(entries)
    if not modalities:
        raise WeightsError(f"{path}: holds no ImageBind tower (no key 'modality_trunks.*')")
    if METADATA_KEY in metadata:
        return _own(path, _json(path, metadata[METADATA_KEY]), modalities)
    return _official(path, modalities)


def read_header(path: Path) -> tuple[dict[str, str], dict[str, Entry]]:
    """Metadata and tensors of a safetensors file, without reading a tensor.

    Raises WeightsError when the file is missing, not safetensors, or shorter than its header
    says (a broken download).
    """
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > _MAX_HEADER_BYTES:
                raise ValueError("its header is too long")
            header = json.loads(file.read(size))
            actual = file.seek(0, os.SEEK_END)
        metadata = header.pop("__metadata__", {})
        entries = {k: Entry(v["dtype"], tuple(v["shape"])) for k, v in header.items()}
        wanted = 8 + size + max((v["data_offsets"][1] for v in header.values()), default=0)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: not a safetensors file, or cut short ({error})") from error
    if actual != wanted:
        raise WeightsError(
            f"{path}: is {actual:,} bytes, its header wants {wanted:,}: cut short? fetch it again"
        )
    return metadata, entries


def held(keys: Mapping[str, Any]) -> frozenset[Modality]:
    """The modalities whose trunk is among the keys."""
    names = {key.split(".")[1] for key in keys if key.startswith("modality_trunks.")}
    return frozenset(m for m in Modality if m in names)


def _shipped() -> Path:
    path = Path(str(resources.files("encoders") / "checkpoints" / f"{SHIPPED}.safetensors"))
    if not path.is_file():
        raise WeightsError(
            f"{SHIPPED}: {path} is missing from this installation; 'make weights' makes it again"
        )
    return path


def _official(path: Path, modalities: frozenset[Modality]) -> Card:
    return Card(
        path=path,
        name=OFFICIAL,
        space_id=recalled(path, "space_id") or f"{OFFICIAL}:{UNKNOWN_HASH}",
        modalities=modalities,
        config=ImageBindConfig(),
        windows={m: w for m, w in USUAL.items() if m in modalities},
        licence=OFFICIAL_LICENCE,
    )


def _json(path: Path, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise WeightsError(f"{path}: its card is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path}: its card is not a JSON object")
    return value


def _own(path: Path, said: dict[str, Any], modalities: frozenset[Modality]) -> Card:
    try:
        windows = said.get("windows", {})
        return Card(
            path=path,
            name=str(said["name"]),
            space_id=str(said["space_id"]),
            modalities=modalities,
            config=ImageBindConfig.of(said.get("config", {})),
            windows={m: _window(m, windows.get(m, {})) for m in SENSED if m in modalities},
            vocabulary=said.get("vocabulary"),
            front_ends=dict(said.get("front_ends", {})),
            licence=str(said.get("licence", "")),
            description=str(said.get("description", "")),
        )
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(f"{path}: its card is not complete ({error!r})") from error


def _window(modality: Modality, said: Mapping[str, Any]) -> WindowFormat:
    usual = USUAL[modality]
    length = said.get("length_s", usual.length_s)
    return WindowFormat(
        None if length is None else float(length), int(said.get("frames", usual.frames))
    )
