"""Samples that were not what their modality wants."""

from __future__ import annotations

from pipeline.sensing.border import in_words

REFUSED_SHOWN_S = 10.0
"""How long the state of a stream speaks of a sample that was refused."""
REFUSED_TOLD_S = 30.0


class Refusals:
    """How many, and what was wrong last."""

    def __init__(self) -> None:
        self.count = 0
        self._last = ""
        self._last_s = self._told_s = float("-inf")

    def add(self, error: Exception, now_s: float) -> bool:
        """Count one; whether it is worth an event, which it is twice a minute at most."""
        self.count += 1
        self._last, self._last_s = in_words(error), now_s
        if now_s - self._told_s < REFUSED_TOLD_S:
            return False
        self._told_s = now_s
        return True

    def why(self, now_s: float) -> str:
        """What was wrong last; "" where that was a while ago."""
        if now_s - self._last_s > REFUSED_SHOWN_S:
            return ""
        return f"{self.count} samples refused, the last: {self._last}"
