"""The options of a driver, checked in its constructor: the key, the value, what would be right.

Values come from YAML, or from a program that hands over NumPy's numbers: those count as Python's.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from bindstream.errors import ConfigError

_SHOWN = 80


def number(stream: str, key: str, value: Any, low: float, high: float) -> float:
    """A finite number within [low, high], as float. Raises ConfigError."""
    found = _float(value)
    if found is None or not low <= found <= high:
        raise refused(stream, key, value, f"a number from {low:g} to {high:g}")
    return found


def whole(stream: str, key: str, value: Any, low: int, high: int) -> int:
    """A whole number within [low, high]. Raises ConfigError."""
    found = None if isinstance(value, bool | np.bool_) else _index(value)
    if found is None or not low <= found <= high:
        raise refused(stream, key, value, f"a whole number from {low} to {high}")
    return found


def one_of(stream: str, key: str, value: Any, choices: Iterable[str]) -> str:
    """One of the words given. Raises ConfigError."""
    known = sorted(choices)
    if not isinstance(value, str) or value not in known:
        raise refused(stream, key, value, " or ".join(f"'{word}'" for word in known))
    return str(value)


def text(stream: str, key: str, value: Any) -> str:
    """A string that is not empty, and can be written. Raises ConfigError."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise refused(stream, key, value, "a string that is not empty")
    return str(value)


def flag(stream: str, key: str, value: Any) -> bool:
    """true or false. Raises ConfigError."""
    if not isinstance(value, bool | np.bool_):
        raise refused(stream, key, value, "true or false")
    return bool(value)


def refused(stream: str, key: str, value: Any, wanted: str) -> ConfigError:
    """The error that says which option of which stream was wrong, and what would be right."""
    return ConfigError(f"stream '{stream}': option {key}: wanted {wanted}, got {shown(value)}")


def shown(value: Any) -> str:
    """A value in few words: Python refuses to write out numbers of more than 4,300 digits."""
    try:
        said = repr(value.item() if isinstance(value, np.generic) else value)
    except Exception:
        said = f"a {type(value).__name__}"
    said = " ".join(said.split())
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."


def _float(value: Any) -> float | None:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return None
    try:
        found = float(value)
    except (TypeError, OverflowError):  # complex, or larger than any float
        return None
    return found if math.isfinite(found) else None


def _index(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:
        return None
