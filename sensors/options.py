"""The options of a driver, checked in its constructor: the key, the value, what would be right."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from bindstream.errors import ConfigError


def number(stream: str, key: str, value: Any, low: float, high: float) -> float:
    """A finite number within [low, high], as float. Raises ConfigError."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not low <= value <= high:
        raise refused(stream, key, value, f"a number from {low:g} to {high:g}")
    return float(value)


def whole(stream: str, key: str, value: Any, low: int, high: int) -> int:
    """A whole number within [low, high]. Raises ConfigError."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refused(stream, key, value, f"a whole number from {low} to {high}")
    return value


def one_of(stream: str, key: str, value: Any, choices: Iterable[str]) -> str:
    """One of the words given. Raises ConfigError."""
    known = sorted(choices)
    if value not in known:
        raise refused(stream, key, value, " or ".join(f"'{word}'" for word in known))
    return str(value)


def text(stream: str, key: str, value: Any) -> str:
    """A string that is not empty. Raises ConfigError."""
    if not isinstance(value, str) or not value.strip():
        raise refused(stream, key, value, "a string that is not empty")
    return value


def flag(stream: str, key: str, value: Any) -> bool:
    """true or false. Raises ConfigError."""
    if not isinstance(value, bool):
        raise refused(stream, key, value, "true or false")
    return value


def refused(stream: str, key: str, value: Any, wanted: str) -> ConfigError:
    """The error that says which option of which stream was wrong, and what would be right."""
    return ConfigError(f"stream '{stream}': option {key}: wanted {wanted}, got {value!r}")
