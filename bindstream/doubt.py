"""Why measures cannot be what they are taken for, and what they are instead, as far as it shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Doubt:
    """``what`` is wrong, and the ``likely`` cause ("" where none shows).

    ``unit`` names the unit that the numbers seem to have; ``scale`` and ``offset`` turn the
    numbers, as they came, into the unit wanted: who asks words them as options of its own.
    """

    what: str
    likely: str = ""
    unit: str = ""
    scale: float | None = None
    offset: float = 0.0

    def __str__(self) -> str:
        return f"{self.what}: {self.likely}" if self.likely else self.what
