"""The hash that a file came with, in a file beside it, in the form of ``sha256sum``."""

from __future__ import annotations

from pathlib import Path

from bindstream.errors import WeightsError

_HEX = 64


def beside(path: Path) -> Path:
    """``<file>.sha256``."""
    return path.with_name(path.name + ".sha256")


def line(path: Path, sha256: str) -> str:
    """What it holds: ``sha256sum -c`` reads it too."""
    return f"{sha256}  {path.name}\n"


def recorded(path: Path) -> str | None:
    """The hash beside ``path``, None where there is none. Raises WeightsError for another form."""
    file = beside(path)
    if not file.is_file():
        return None
    try:
        word = file.read_text(errors="replace")[:_HEX].lower()
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror})") from error
    if len(word) < _HEX or not set(word) <= set("0123456789abcdef"):
        raise WeightsError(f"{file}: wants a line of sha256sum's, got {word[:80]!r}")
    return word
