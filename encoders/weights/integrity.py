"""Is a weights file what it was when it was written? Asked before it is loaded. No torch here.

Known, and compared, in this order: the hash in a file beside it (``<file>.sha256``, in the form
of ``sha256sum``; ``bindstream weights fetch`` leaves one); the hash that a file of ours carries in
itself; the official file's, by its size; a ``.pth`` archive's own checksums. Then the image tower's
hash, which a card's space_id promises. Large files are read once and remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bindstream.errors import WeightsError
from bindstream.types import Array, Modality
from encoders.weights import pth, sidecar
from encoders.weights.card import (
    DIGEST_KEY,
    OFFICIAL_BYTES,
    OFFICIAL_SHA256,
    UNKNOWN_HASH,
    Card,
    modality_of,
    read_header,
)
from encoders.weights.fingerprint import Progress, hash_file, hash_tower, remembered

_SMALL_BYTES = 64_000_000
"""Below, a file is read every time: a tenth of a second, and no time stamp is believed."""
_HEX = 64
_ADVICE = (
    "damaged, or changed since: fetch, copy or convert it again (the shipped one: install"
    " bindstream again)"
)


def verify(card: Card, *, again: bool = False, progress: Progress | None = None) -> None:
    """Raises WeightsError for a file whose bytes are not those it had, whose image tower is not
    that of its space_id, or that cannot be read. ``again``: believe no memory of it."""
    read = _Reading(card.path, again or _size(card.path) < _SMALL_BYTES, progress)
    wanted = sidecar.recorded(card.path)
    if wanted is not None:
        read.compare(f"its SHA-256 by {sidecar.beside(card.path).name}", wanted, read.sha256())
    if card.path.suffix in pth.SUFFIXES:
        _verify_pickle(read, known=wanted is not None)
    else:
        _verify_own(card, read)


def carries_hash(path: Path) -> bool:
    """Whether a file says its own hash: one that was written by us."""
    return path.suffix not in pth.SUFFIXES and DIGEST_KEY in read_header(path)[0]


@dataclass(frozen=True, slots=True)
class _Reading:
    path: Path
    fresh: bool
    progress: Progress | None

    def once(self, kind: str, compute: Callable[[], str]) -> str:
        return compute() if self.fresh else remembered(self.path, kind, compute)

    def sha256(self) -> str:
        return self.once("sha256", lambda: hash_file(self.path, self.progress))

    def compare(self, what: str, wanted: str, found: str) -> None:
        if found != wanted:
            raise WeightsError(f"{self.path}: wants {wanted} ({what}), got {found}: {_ADVICE}")


def _verify_pickle(read: _Reading, known: bool) -> None:
    pth.keys(read.path)
    if known:
        return
    if _size(read.path) == OFFICIAL_BYTES:
        read.compare("the official file's SHA-256", OFFICIAL_SHA256, read.sha256())
    else:
        read.once("members", lambda: pth.verify_members(read.path))


def _verify_own(card: Card, read: _Reading) -> None:
    metadata, _ = read_header(card.path)
    if DIGEST_KEY in metadata:
        digest = str(metadata[DIGEST_KEY])
        found = read.once("digest", lambda: _digest(read, digest))
        read.compare("the SHA-256 that it carries", digest, found)
    if Modality.VISION in card.modalities and not card.space_id.endswith(UNKNOWN_HASH):
        promised = card.tower or card.space_id.rpartition(":")[2]
        found = read.once("tower", lambda: hash_tower(_tower(card.path)))
        read.compare(f"the image tower of '{card.space_id}'", promised, found)


def _digest(read: _Reading, claimed: str) -> str:
    """The file's hash with zeros in the place of the hash that it carries."""
    path = read.path
    with path.open("rb") as file:
        size = 8 + int.from_bytes(file.read(8), "little")
        file.seek(0)
        header = file.read(size)
    place = f'"{claimed}"'.encode()
    if len(claimed) != _HEX or header.count(place) != 1:
        raise WeightsError(f"{path}: the hash that it carries is none ({claimed[:80]!r})")
    blank = header.replace(place, b'"' + b"0" * _HEX + b'"')
    return hash_file(path, read.progress, began=blank)


def _tower(path: Path) -> Iterator[tuple[str, tuple[int, ...], Array]]:
    _, entries = read_header(path)
    data = np.memmap(path, np.uint8, mode="r")
    for key in sorted(k for k in entries if modality_of(k) == Modality.VISION):
        entry = entries[key]
        yield key, entry.shape, _float32(path, key, entry.dtype, data[entry.start : entry.end])


def _float32(path: Path, key: str, dtype: str, raw: Array) -> Array:
    if dtype == "BF16":  # the upper half of a float32
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    kind = {"F16": "<f2", "F32": "<f4"}.get(dtype)
    if kind is None:
        raise WeightsError(f"{path}: {key} is of {dtype}; wants F32, F16 or BF16")
    return raw.view(kind).astype(np.float32, copy=False)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
