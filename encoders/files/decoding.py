"""Whatever a decoder raises over a file becomes one line that names the file.

Libraries promise no closed list of what they raise over damaged bytes (SyntaxError, TokenError,
RuntimeError, MemoryError and more were seen), so none is kept here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
_LONGEST = 200


@contextmanager
def decoding(path: Path, wanted: str) -> Iterator[None]:
    """Raises InvalidInput with the path, for a missing file too, and for anything raised within.

    ``wanted`` ("a picture") completes "not ... that can be read".
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no plain file" if path.exists() else "no such file"
        raise InvalidInput(f"{path}: {what}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is checked, and refused
            yield
    except InvalidInput as error:
        said = str(error)
        raise InvalidInput(said if said.startswith(f"{path}: ") else f"{path}: {said}") from error
    except Exception as error:
        raise InvalidInput(f"{path}: not {wanted} that can be read ({_said(error)})") from error


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST]


def is_npy(path: Path) -> bool:
    """Whether a file is, or is called, a NumPy array, or an archive of some."""
    return path.suffix.lower() in (".npy", ".npz") or _head(path).startswith(_NPY)


def npy(path: Path) -> Array:
    """The array of a ``.npy``, never one that would run code. Raises InvalidInput.

    Mapped first: a header that promises more than the file holds costs no memory.
    """
    with decoding(path, "a NumPy array"):
        head = _head(path)
        if head.startswith(_ZIP):
            raise InvalidInput("an archive of arrays: save the one array, by np.save")
        if not head.startswith(_NPY):
            raise InvalidInput("not a NumPy array: save it by np.save")
        if b"'|O'" in _head(path, 128):
            raise InvalidInput(
                "not a NumPy array of numbers: it holds Python's objects, which may run code"
            )
        array: Array = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
        return array


def _head(path: Path, size: int = len(_NPY)) -> bytes:
    with path.open("rb") as file:
        return file.read(size)
