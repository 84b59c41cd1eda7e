"""The right word for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def nearest(word: str, known: Collection[str]) -> str:
    """``; did you mean 'x'?``, or all that are known where nothing is near."""
    return did_you_mean(word, known) or f"; known: {', '.join(sorted(known))}"


def did_you_mean(word: str, known: Collection[str]) -> str:
    """``; did you mean 'x'?``, or nothing. ``IMU`` is near to ``imu``."""
    lower = {one.lower(): one for one in known}
    match = difflib.get_close_matches(word.lower(), lower, 1, 0.5)
    return f"; did you mean '{lower[match[0]]}'?" if match else ""
