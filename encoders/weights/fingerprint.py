"""Hashes of weights files, remembered by path, size and time of change. No torch here.

A file of 4.8 GB is read for its hash once (about 2.5 s where it is in the page cache), not at
every start. The memory is one JSON file in the user's cache folder; losing it costs time only.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from bindstream.errors import WeightsError
from bindstream.types import Array

_CHUNK_BYTES = 1 << 22
Progress = Callable[[int], None]
"""Called with the number of bytes done since the last call."""


def cache_dir() -> Path:
    """The user's cache folder for bindstream (XDG)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "bindstream"


def file_sha256(path: Path, progress: Progress | None = None) -> str:
    """Hex SHA-256 of a file, from memory where it has not changed since.

    Raises WeightsError when it cannot be read.
    """
    return remembered(path, "sha256", lambda: hash_file(path, progress))


def hash_file(path: Path, progress: Progress | None = None, *, began: bytes = b"") -> str:
    """Hex SHA-256 of a file, read now; ``began`` stands for as many of its first bytes."""
    digest = hashlib.sha256(began)
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(len(began))
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                if progress:
                    progress(len(chunk))
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def hash_tower(parts: Iterable[tuple[str, tuple[int, ...], Array]]) -> str:
    """12 hex digits of the SHA-256 over an image tower: each key in order, its shape and its
    float32 values, little-endian. '' for no part at all."""
    digest, count = hashlib.sha256(), 0
    for key, shape, values in parts:
        digest.update(f"{key} {list(shape)}\n".encode())
        digest.update(np.ascontiguousarray(values, "<f4").data)
        count += 1
    return digest.hexdigest()[:12] if count else ""


def remembered(path: Path, kind: str, compute: Callable[[], str]) -> str:
    """What was computed from this very file before, else ``compute()``, which is remembered."""
    key = _key(path, kind)
    known = recalled(path, kind)
    if known is None:
        known = compute()
        if _key(path, kind) == key:  # not changed while it was read
            _remember(key, known)
    return known


def recalled(path: Path, kind: str) -> str | None:
    """What is remembered of this very file, if anything."""
    return _memory().get(_key(path, kind))


def _key(path: Path, kind: str) -> str:
    try:
        stat = path.stat()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    return f"{kind}:{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"


def _memory_file() -> Path:
    return cache_dir() / "hashes.json"


def _memory() -> dict[str, str]:
    try:
        memory = json.loads(_memory_file().read_text())
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _remember(key: str, value: str) -> None:
    """Whole-file replacement: a reader never sees half of it."""
    file = _memory_file()
    text = json.dumps(_memory() | {key: value}, indent=1)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as new:
            new.write(text)
        Path(new.name).replace(file)
    except OSError:
        return  # a read-only home: hashed again next time
