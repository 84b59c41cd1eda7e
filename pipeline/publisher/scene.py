"""The join: all streams of one robot at one tick become one vector. Pure.

Members are the streams with an embedding no older than ``max_age`` at the tick, each with its
newest. Missing members are named, never waited for. Each modality that is present has the same
weight, split among its streams, unless weights are configured. The vector is the normalised
weighted mean: ImageBind's modalities share one space, so their sum means "all of this"
(Girdhar et al., CVPR 2023, section 4.3).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bindstream.types import Embedding, Member, Modality, Scene, Vector

MIN_NORM = 1e-6
"""A shorter mean has no direction: its members cancel out."""
KEPT = 16
"""Embeddings kept per stream: some may end after the tick that is joined."""


Present: TypeAlias = list[tuple[Modality, float, Vector]]
"""The members of a scene: modality, weight, and vector (dim,) each."""


def _no_words(_space_id: str, _present: Present) -> dict[str, str]:
    return {}


@dataclass(slots=True)
class _Member:
    """One stream: for how long its embeddings count, and the newest of them, oldest first."""

    modality: Modality
    max_age_ns: int
    recent: deque[Embedding]

    def at(self, tick_ns: int) -> Embedding | None:
        """The newest that ends by the tick and is young enough."""
        oldest_ns = tick_ns - self.max_age_ns
        fitting = [e for e in self.recent if oldest_ns <= e.end_ns <= tick_ns]
        return fitting[-1] if fitting else None


class Join:
    """Embeddings in, scenes out.

    ``space_id``: the one space joined; None takes that of the first embedding. ``kept`` embeddings
    of a stream are held; None: all that a tick may still need, where streams run ahead.
    """

    def __init__(
        self, robot: str, epoch: int, space_id: str | None = None, kept: int | None = KEPT
    ) -> None:
        self._robot, self._epoch, self._seq = robot, epoch, 0
        self._members: dict[str, _Member] = {}
        self._configured: dict[str, float] = {}
        self._space_id, self._dim = space_id, 0
        self._counts: Counter[str] = Counter()
        self._kept = kept

    def meet(self, stream: str, modality: Modality, max_age_ns: int) -> None:
        """A stream is a member from now on. After its window's end an embedding counts for
        ``max_age_ns`` (window length + hop is a good choice)."""
        known = self._members.get(stream)
        recent = known.recent if known else deque(maxlen=self._kept)
        self._members[stream] = _Member(modality, max_age_ns, recent)
        self._members = dict(sorted(self._members.items()))  # in whatever order they came

    def leave(self, stream: str) -> None:
        """It is a member no more."""
        self._members.pop(stream, None)

    def configure(self, weights: Mapping[str, float]) -> None:
        """Weights per stream; those not named keep the default; they are scaled to a sum of 1
        over the members present."""
        self._configured = dict(weights)

    def add(self, embedding: Embedding) -> bool:
        """Offer an embedding. False, and counted by reason, when it cannot be joined."""
        refusal = self._refusal(embedding)
        if refusal:
            self._counts[refusal] += 1
            return False
        self._space_id, self._dim = embedding.space_id, len(embedding.vector)
        self._members[embedding.stream].recent.append(embedding)
        return True

    def tick(
        self, tick_ns: int, words: Callable[[str, Present], dict[str, str]] = _no_words
    ) -> Scene | None:
        """The scene at ``tick_ns``; None, taking no seq, where there is no member or their
        mean has no direction. ``words`` is asked of the very members that are joined."""
        if self._kept is None:
            self._forget(tick_ns)
        joined = {s: e for s, member in self._members.items() if (e := member.at(tick_ns))}
        weights = self._weights(joined)
        if not weights:
            self._counts["no_member"] += 1
            return None
        present = [(e.modality, weights[s], e.vector) for s, e in joined.items()]
        vector = _mean([(vector, weight) for _, weight, vector in present])
        if vector is None:
            self._counts["no_direction"] += 1
            return None
        scene = Scene(
            robot=self._robot,
            epoch=self._epoch,
            seq=self._seq,
            end_ns=tick_ns,
            published_ns=0,
            space_id=self._space_id or "",
            members=tuple(self._told(s, joined.get(s), weights, tick_ns) for s in self._members),
            vector=vector,
            words=words(self._space_id or "", present),
        )
        self._seq += 1
        return scene

    def first_end(self, after_ns: int | None) -> int | None:
        """The earliest end of an embedding held, of those after a time."""
        ends = (e.end_ns for m in self._members.values() for e in m.recent)
        return min((ns for ns in ends if after_ns is None or ns > after_ns), default=None)

    def stats(self) -> dict[str, int]:
        """Embeddings refused by reason (unknown_stream, other_space, not_finite, old), and
        ticks without a scene (no_member, no_direction)."""
        return dict(self._counts)

    def _forget(self, tick_ns: int) -> None:
        """What a newer one has followed by this tick, no tick needs any more."""
        for member in self._members.values():
            while len(member.recent) > 1 and member.recent[1].end_ns <= tick_ns:
                member.recent.popleft()

    def _refusal(self, e: Embedding) -> str:
        member = self._members.get(e.stream)
        if member is None:
            return "unknown_stream"
        if self._space_id is not None and e.space_id != self._space_id:
            return "other_space"
        if self._dim and len(e.vector) != self._dim:
            return "other_space"
        if not np.isfinite(e.vector).all():
            return "not_finite"
        newest = member.recent[-1] if member.recent else None
        if newest and (e.epoch, e.seq) <= (newest.epoch, newest.seq):
            return "old"
        return ""

    def _weights(self, joined: Mapping[str, Embedding]) -> dict[str, float]:
        """Weights of the streams joined, sum 1; empty where no member has any."""
        alike = Counter(self._members[stream].modality for stream in joined)
        raw = {
            s: self._configured.get(s, 1 / (len(alike) * alike[self._members[s].modality]))
            for s in joined
        }
        total = sum(raw.values())
        return {s: w / total for s, w in raw.items()} if total > 0 else {}

    def _told(
        self, stream: str, e: Embedding | None, weights: Mapping[str, float], tick_ns: int
    ) -> Member:
        modality = self._members[stream].modality
        if e is None:
            return Member(stream, modality, -1, 0.0, None)
        return Member(stream, modality, e.seq, weights[stream], (tick_ns - e.end_ns) / 1e6)


def _mean(weighted: list[tuple[Vector, float]]) -> Vector | None:
    """The normalised weighted mean, float32 (dim,); None where it has no direction."""
    vectors, weights = zip(*weighted, strict=True)
    total = np.asarray(weights, np.float64) @ np.asarray(vectors, np.float64)  # (n,) @ (n, dim)
    norm = float(np.linalg.norm(total))
    return None if norm < MIN_NORM else (total / norm).astype(np.float32)
