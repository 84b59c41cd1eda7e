"""What came of one stream's windows of late: its newest vector, and the drops since. Pure."""

from __future__ import annotations

from collections import Counter, deque

from bindstream.types import Embedding, Reason
from pipeline.publisher.ages import Ages

LATE_FACTOR = 3.0
"""A stream is stale when nothing was published for so many hops."""
STALE_S = 2.0
"""And not before so long a silence."""
RECENT = 10
_ENCODER_BUSY = frozenset({Reason.SUPERSEDED, Reason.ENCODER_TIMEOUT, Reason.LATE})


class Flow:
    """``now_ns`` is the host's time."""

    def __init__(self) -> None:
        self.ages = Ages()
        self.newest: Embedding | None = None
        self._vector_ns = 0  # when it left
        self._drops: deque[Reason] = deque(maxlen=RECENT)  # since it left

    def drop(self, reason: Reason) -> None:
        """A window left without a vector."""
        self._drops.append(reason)

    def vector(self, embedding: Embedding, now_ns: int) -> None:
        """A vector left."""
        self.newest, self._vector_ns = embedding, now_ns
        self.ages.add(embedding)
        self._drops.clear()

    def shift(self, step_ns: int) -> None:
        """The host's clock is another than was thought."""
        self._vector_ns += step_ns if self._vector_ns else 0

    def drought(
        self, now_ns: int, running_ns: int, hop_ns: int, *, is_open: bool
    ) -> tuple[str, int]:
        """(Why no vector comes while the sensor runs; since when); ('', 0) while they come.

        It runs since ``running_ns``. ``is_open``: a window waits for its outcome.
        """
        since_ns = max(running_ns, self._vector_ns)
        silent_s = (now_ns - since_ns) / 1e9
        if silent_s <= max(STALE_S, LATE_FACTOR * hop_ns / 1e9):
            return "", 0
        fate = self._fate(is_open)
        if self.newest is None and self._drops and _ENCODER_BUSY.issuperset(self._drops):
            return (
                f"loading: no vector from the encoder yet, for {silent_s:.1f} s: {fate}",
                since_ns,
            )
        return f"no vector for {silent_s:.1f} s: {fate}", since_ns

    def _fate(self, is_open: bool) -> str:
        """What became of the newest windows."""
        if not self._drops:
            return "no window had its outcome" if is_open else "no window was cut"
        (often, n), *others = Counter(self._drops).most_common()
        rest = "".join(f", {count} {reason.value}" for reason, count in others)
        return f"{n} of the last {len(self._drops)} windows {often.value}{rest}"
