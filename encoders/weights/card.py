"""What a weights file says of itself, read without torch: `check` and the graph need no model.

A safetensors file of ours carries one JSON object under the metadata key ``bindstream``:
``name``, ``space_id``, ``config`` (fields of ImageBindConfig that differ from imagebind_huge),
``windows``, ``vocabulary``, ``front_ends``, ``licence``, ``description``. The official file says
nothing; it is known by its name or by its keys.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from bindstream.errors import InvalidInput, WeightsError
from bindstream.formats import WindowFormat
from bindstream.types import SENSED, Modality
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.front_end_formats import FrontEnds
from encoders.imagebind.window_formats import USUAL, said_of, window_format
from encoders.weights import pth
from encoders.weights.fingerprint import cache_dir, recalled

SHIPPED = "bindstream_tiny"
OFFICIAL = "imagebind_huge"
METADATA_KEY = "bindstream"
DIGEST_KEY = "bindstream_sha256"
"""Beside it: the SHA-256 of the whole file, with zeros where this hash stands in it."""
UNKNOWN_HASH = "unverified"
OFFICIAL_BYTES = 4_803_584_173
OFFICIAL_SHA256 = "d6f6c22bedcc90708448d5d2fbb7b2db9c73f505dc89bd0b2e09b23af1b62157"
"""Of the file as it has been since May 2023. Meta publishes no hash; this one is what several
independent projects recorded."""
OFFICIAL_LICENCE = "CC BY-NC 4.0 (Meta Platforms): not for commercial use"
_MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}
_MALFORMED = (
    struct.error,
    ArithmeticError,
    AttributeError,
    LookupError,
    InvalidInput,
    RecursionError,
    TypeError,
    ValueError,
)
"""All that reading a header or a card that somebody damaged was seen to raise."""


class Entry(NamedTuple):
    """One tensor of a safetensors header: ``dtype`` as written there, e.g. F32; ``start`` is the
    place of its first byte in the file, ``end`` that after its last."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Card:
    """A weights file's description.

    ``windows`` has an entry for each sensed modality it holds. ``space_id`` ends in
    ``unverified`` where only hashing the weights can tell (the official file, before first use).
    ``vocabulary`` is None where words are CLIP's byte pairs. ``tower`` is the hash of the image
    tower as it stands in this file, where rounding made it another than the one in ``space_id``.
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
    tower: str = ""

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self.config.out_embed_dim

    def said(self) -> dict[str, Any]:
        """What a file carries to give this card again: the JSON object of its metadata."""
        rounded = {"tower": self.tower} if self.tower else {}
        return {
            "name": self.name,
            "space_id": self.space_id,
            "config": self.config.overrides(),
            "windows": {str(m): said_of(form) for m, form in self.windows.items()},
            "vocabulary": self.vocabulary,
            "front_ends": self.front_ends,
            "licence": self.licence,
            "description": self.description,
            **rounded,
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
        what = "no plain file" if path.exists() else "no such weights file"
        raise WeightsError(
            f"{path}: {what}; '{SHIPPED}' is shipped,"
            f" '{OFFICIAL}' comes by 'bindstream weights fetch'"
        )
    return path


def read_card(weights: str | Path | None) -> Card:
    """The card of a file (or of a name that ``resolve`` knows), from its header alone.

    Raises WeightsError: unreadable, truncated, or not a file of a model we know.
    """
    path = resolve(weights)
    if path.suffix in pth.SUFFIXES:
        return _official(path, _held_by_pickle(path))
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
        metadata = dict(header.pop("__metadata__", {}))
        entries = {key: _entry(key, said, 8 + size) for key, said in header.items()}
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    except _MALFORMED as error:
        said = str(error) or type(error).__name__
        raise WeightsError(f"{path}: not a safetensors file, or cut short ({said})") from error
    wanted = max((entry.end for entry in entries.values()), default=8 + size)
    if actual != wanted:
        raise WeightsError(
            f"{path}: is {actual:,} bytes, its header wants {wanted:,}: cut short? fetch it again"
        )
    return metadata, entries


def _entry(key: str, said: Mapping[str, Any], offset: int) -> Entry:
    shape, (start, end) = tuple(said["shape"]), said["data_offsets"]
    dtype = str(said["dtype"])
    if not all(type(n) is int and n >= 0 for n in (*shape, start, end)) or start > end:
        raise ValueError(f"{key[:80]}: shape {str(shape)[:80]}, bytes {start} to {end}")
    wanted = math.prod(shape) * _ITEM_BYTES.get(dtype, 0)
    if dtype in _ITEM_BYTES and end - start != wanted:
        raise ValueError(f"{key[:80]}: {wanted} bytes of {dtype}, got {end - start}")
    return Entry(dtype, shape, offset + start, offset + end)


def held(keys: Mapping[str, Any]) -> frozenset[Modality]:
    """The modalities whose trunk is among the keys."""
    trunks = [key for key in keys if isinstance(key, str) and key.startswith("modality_trunks.")]
    names = {modality_of(key) for key in trunks}
    return frozenset(m for m in Modality if m in names)


def modality_of(key: str) -> str:
    """``modality_trunks.vision.blocks...`` -> ``vision``; '' for a key of another form."""
    return key.split(".")[1] if "." in key else ""


def _held_by_pickle(path: Path) -> frozenset[Modality]:
    """All where its keys cannot be seen: opening it will say why."""
    try:
        return held(dict.fromkeys(pth.keys(path))) or frozenset(Modality)
    except WeightsError:
        return frozenset(Modality)


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
    except _MALFORMED as error:
        said = str(error) or type(error).__name__
        raise WeightsError(f"{path}: its card is not JSON ({said})") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path}: its card is not a JSON object")
    return value


def _own(path: Path, said: dict[str, Any], modalities: frozenset[Modality]) -> Card:
    try:
        windows = said.get("windows", {})
        front_ends = dict(said.get("front_ends", {}))
        FrontEnds.of(front_ends)
        config = ImageBindConfig.of(said.get("config", {}))
        return Card(
            path=path,
            name=_text(said, "name"),
            space_id=_text(said, "space_id"),
            modalities=modalities,
            config=config,
            windows={
                m: window_format(m, config, windows.get(m, {})) for m in SENSED if m in modalities
            },
            vocabulary=_object(said, "vocabulary"),
            front_ends=front_ends,
            licence=str(said.get("licence", "")),
            description=str(said.get("description", "")),
            tower=str(said.get("tower", "")),
        )
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except _MALFORMED as error:
        raise WeightsError(f"{path}: its card is not complete ({error!r})") from error


def _text(said: Mapping[str, Any], key: str) -> str:
    text = said[key]
    if not isinstance(text, str) or not 0 < len(text) <= 200 or not text.isprintable():
        raise ValueError(f"'{key}' wants a short text, got {text!r:.80}")
    return text


def _object(said: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    found = said.get(key)
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"'{key}' wants an object, got {found!r:.80}")
    return found
