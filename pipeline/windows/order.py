"""Samples of one stream, put in the order of their time. Pure.

Four things happen to timestamps in the field, and each is counted, never fatal:

- a sample comes twice (``duplicate``): dropped;
- samples change places (``backward``): put in order if ``lateness`` allows, else dropped
  (``late``). With lateness 0, the default for local drivers, nothing ever waits;
- one stamp is wild (``outlier``): dropped (the very first: time starts over). A stamp is
  suspected when it jumps back by more than a second or ahead by more than five (or ten sample
  periods), and is believed once the next sample goes on from it: so a real outage costs the
  first sample after it a wait of one period, and nothing else;
- the clock itself was set back (``restart``): a suspected jump backward that is believed.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TypeAlias

from bindstream.types import Sample

BACK_NS = 1_000_000_000
AHEAD_NS = 5_000_000_000

Ordered: TypeAlias = Sample | None
"""A sample, in order; or None: time was set back and starts over with the next."""


class Order:
    """The gate in front of a windower.

    ``period_ns``: usual time between samples. ``lateness_ns``: how long a sample may be held
    back so that earlier ones can overtake it. ``slack_ns``: steps backward up to this are
    jitter of the stamps, not disorder, and pass (audio, where the windower smooths them).
    """

    def __init__(self, period_ns: int, *, lateness_ns: int = 0, slack_ns: int = 0) -> None:
        self._lateness_ns, self._slack_ns = lateness_ns, slack_ns
        self._back_ns = max(BACK_NS, 4 * period_ns, 2 * lateness_ns)
        self._ahead_ns = max(AHEAD_NS, 10 * period_ns)
        self._newest_ns: int | None = None
        self._suspect: Sample | None = None
        self._held: list[tuple[int, int, Sample]] = []
        self._held_times: set[int] = set()
        self._released_ns: int | None = None
        self._run = 0  # samples accepted since the start, or since time started over
        self._counts: Counter[str] = Counter()

    def push(self, sample: Sample) -> list[Ordered]:
        """Take one sample; return those whose turn has come, oldest first."""
        self._counts["samples"] += 1
        if self._newest_ns is None:
            return self._accept(sample)
        step_ns = sample.t_ns - self._newest_ns
        if not -self._back_ns <= step_ns <= self._ahead_ns:
            return self._doubt(sample, self._newest_ns)
        if self._suspect is not None:
            self._counts["outlier"] += 1
            self._suspect = None
        if self._keep(sample, step_ns):
            return self._accept(sample)
        return []

    def flush(self) -> list[Ordered]:
        """All that is held back, oldest first: call it when the stream ends."""
        held: list[Ordered] = [sample for _, _, sample in sorted(self._held)]
        if held:
            self._released_ns = self._newest_ns
        self._held.clear()
        self._held_times.clear()
        return held

    def stats(self) -> dict[str, int]:
        """Counts so far: samples, late, duplicate, backward, outlier, restart."""
        names = ("samples", "late", "duplicate", "backward", "outlier", "restart")
        return {name: self._counts[name] for name in names}

    def _keep(self, sample: Sample, step_ns: int) -> bool:
        if step_ns > 0:
            return True
        if step_ns == 0 or sample.t_ns in self._held_times or sample.t_ns == self._released_ns:
            self._counts["duplicate"] += 1
            return False
        if step_ns >= -self._slack_ns:
            return True
        self._counts["backward"] += 1
        if step_ns < -self._lateness_ns:
            self._counts["late"] += 1
            return False
        return True

    def _accept(self, sample: Sample) -> list[Ordered]:
        self._run += 1
        newest_ns = sample.t_ns if self._newest_ns is None else max(self._newest_ns, sample.t_ns)
        self._newest_ns = newest_ns
        if self._lateness_ns == 0:
            return [sample]
        heapq.heappush(self._held, (sample.t_ns, self._counts["samples"], sample))
        self._held_times.add(sample.t_ns)
        return self._release(newest_ns - self._lateness_ns)

    def _release(self, until_ns: int) -> list[Ordered]:
        ready: list[Ordered] = []
        while self._held and self._held[0][0] <= until_ns:
            t_ns, _, sample = heapq.heappop(self._held)
            self._held_times.discard(t_ns)
            self._released_ns = t_ns
            ready.append(sample)
        return ready

    def _doubt(self, sample: Sample, newest_ns: int) -> list[Ordered]:
        """Suspect a jump, or believe the one before, if this sample goes on from it."""
        suspect, self._suspect = self._suspect, sample
        if suspect is None:
            return []
        both_ahead = newest_ns < suspect.t_ns < sample.t_ns
        both_behind = suspect.t_ns < sample.t_ns < newest_ns
        if not both_ahead and not both_behind:
            self._counts["outlier"] += 1
            return []
        ready = self.flush()
        self._suspect = None
        self._newest_ns = self._released_ns = None
        if both_behind or self._run == 1:
            self._counts["restart" if both_behind else "outlier"] += 1
            ready.append(None)
            self._run = 0
        return ready + self._accept(suspect) + self._accept(sample)
