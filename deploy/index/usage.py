"""What the workers did with their time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.index.bundle import Answer


@dataclass(slots=True)
class _Time:
    begin_s: float
    end_s: float
    encode_s: float = 0.0


class Usage:
    """Of a pool: fed with every answer."""

    def __init__(self) -> None:
        self._of: dict[str, _Time] = {}
        self.windows = 0

    def take(self, answer: Answer) -> None:
        """A worker's time goes from its first bundle with windows to its last."""
        self.windows += len(answer.embeddings)
        if not answer.encode_s:
            return
        time = self._of.setdefault(answer.worker, _Time(answer.begin_s, answer.end_s))
        time.begin_s = min(time.begin_s, answer.begin_s)
        time.end_s = max(time.end_s, answer.end_s)
        time.encode_s += answer.encode_s

    @property
    def workers(self) -> int:
        """How many encoded something."""
        return len(self._of)

    @property
    def encoding(self) -> float | None:
        """The share of the workers' time in which they encoded; None where they did not."""
        passed_s = sum(time.end_s - time.begin_s for time in self._of.values())
        encode_s = sum(time.encode_s for time in self._of.values())
        return min(1.0, encode_s / passed_s) if passed_s > 0 else None
