"""A time as others hand it over: Python's, NumPy's or anybody's number of nanoseconds. Pure."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from bindstream.errors import InvalidInput


def whole_ns(name: str, value: Any) -> int:
    """Nanoseconds as a plain int from 0 to below 2^63; a float as exact as it came.

    Raises InvalidInput for flags, words, dates, and what is not finite.
    """
    number = None if isinstance(value, bool | np.bool_) else plain_number(value)
    if number is None or not 0 <= number < 2**63:
        said = f"{type(value).__name__} {_shown(value)}"
        raise InvalidInput(f"{name}: wanted nanoseconds as a whole number, got {said}")
    try:
        return operator.index(value)
    except TypeError:
        return int(value)


def plain_number(value: Any) -> float | None:
    """Python's, NumPy's or anybody's number as a float; None for what is none, or not finite."""
    if isinstance(value, str | bytes):
        return None
    try:
        number = float(value)
    except Exception:  # of whatever type that is
        return None
    return number if math.isfinite(number) else None


def _shown(value: Any) -> str:
    try:
        return str(value)[:40]
    except Exception:
        return "(it cannot say what)"
