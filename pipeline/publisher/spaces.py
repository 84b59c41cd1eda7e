"""A scene for each space that a robot's encoders have; vectors of two are never joined. Pure.

A stream is in the space of its newest vector. When its encoder is replaced by one of another space
it moves there at once, so scenes go on in the new space as its streams arrive. One that has no
vector yet is named as missing everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from bindstream.types import Embedding, Modality, Scene
from pipeline.publisher.scene import KEPT, Join, Present

FORGET_NS = 60_000_000_000
"""A space without a fresh vector for so long, while another has some, is forgotten."""


class Spaces:
    """Embeddings in, scenes out: of each space with its own epoch and seq.

    ``epoch`` is the first space's; ``next_epoch`` gives one to each that follows (it may raise
    OSError: then the next vector asks again). ``kept`` as for Join.
    """

    def __init__(
        self, robot: str, epoch: int, next_epoch: Callable[[], int], kept: int | None = KEPT
    ) -> None:
        self._robot, self._kept = robot, kept
        self._spare_epoch: int | None = epoch
        self._next_epoch = next_epoch
        self._joins: dict[str, Join] = {}
        self._fresh_ns: dict[str, int] = {}
        self._met: dict[str, tuple[Modality, int]] = {}
        self._space_of: dict[str, str] = {}
        self._newest: dict[str, tuple[int, int]] = {}
        self._configured: dict[str, float] = {}
        self._counts: Counter[str] = Counter()

    def meet(self, stream: str, modality: Modality, max_age_ns: int) -> None:
        """A stream is a member from now on: see Join."""
        self._met[stream] = modality, max_age_ns
        for space_id, join in self._joins.items():
            if self._space_of.get(stream, space_id) == space_id:
                join.meet(stream, modality, max_age_ns)

    def leave(self, stream: str) -> None:
        """It is a member no more."""
        for known in (self._met, self._space_of, self._newest):
            known.pop(stream, None)
        for join in self._joins.values():
            join.leave(stream)

    def configure(self, weights: Mapping[str, float]) -> None:
        """Weights per stream: see Join."""
        self._configured = dict(weights)
        for join in self._joins.values():
            join.configure(weights)

    def add(self, embedding: Embedding) -> bool:
        """Offer an embedding. False, and counted by reason, when it cannot be joined."""
        e = embedding
        if e.stream not in self._met:
            return self._refuse("unknown_stream")
        if (e.epoch, e.seq) <= self._newest.get(e.stream, (-1, -1)):
            return self._refuse("old")
        join = self._joins.get(e.space_id) or self._opened(e.space_id)
        if join is None:
            return self._refuse("no_epoch")
        if self._space_of.get(e.stream) != e.space_id:
            join.meet(e.stream, *self._met[e.stream])
        if not join.add(e):
            self._stay(e.stream)
            return False
        self._newest[e.stream] = e.epoch, e.seq
        self._space_of[e.stream] = e.space_id
        self._stay(e.stream)
        return True

    def tick(self, tick_ns: int, words: Callable[[str, Present], dict[str, str]]) -> list[Scene]:
        """The scenes at ``tick_ns``, one of each space that has a member then."""
        scenes = []
        for space_id, join in list(self._joins.items()):
            scene = join.tick(tick_ns, words)
            if scene is not None:
                scenes.append(scene)
                self._fresh_ns[space_id] = tick_ns
            self._fresh_ns.setdefault(space_id, tick_ns)
        self._forget(tick_ns)
        return scenes

    def first_end(self, after_ns: int | None) -> int | None:
        """The earliest end of an embedding held, of those after a time."""
        ends = (join.first_end(after_ns) for join in self._joins.values())
        return min((ns for ns in ends if ns is not None), default=None)

    def stats(self) -> dict[str, int]:
        """Of all spaces together: embeddings refused by reason (unknown_stream, not_finite, old,
        no_epoch; other_space: of another length than those of its space), and ticks without a
        scene (no_member, no_direction)."""
        return dict(sum((Counter(j.stats()) for j in self._joins.values()), self._counts))

    def _refuse(self, why: str) -> bool:
        self._counts[why] += 1
        return False

    def _opened(self, space_id: str) -> Join | None:
        """A join of this space, with all that may be in it."""
        try:
            epoch = self._next_epoch() if self._spare_epoch is None else self._spare_epoch
        except OSError:
            return None
        self._spare_epoch = None
        join = self._joins[space_id] = Join(self._robot, epoch, space_id, self._kept)
        join.configure(self._configured)
        for stream, told in self._met.items():
            if self._space_of.get(stream, space_id) == space_id:
                join.meet(stream, *told)
        return join

    def _stay(self, stream: str) -> None:
        """In the space that it is in, and in no other."""
        home = self._space_of.get(stream)
        for space_id, join in self._joins.items():
            if home is not None and space_id != home:
                join.leave(stream)

    def _forget(self, tick_ns: int) -> None:
        fresh_ns = max(self._fresh_ns.values(), default=tick_ns)
        for space_id, seen_ns in list(self._fresh_ns.items()):
            if fresh_ns - seen_ns > FORGET_NS:
                del self._fresh_ns[space_id]
                self._counts += Counter(self._joins.pop(space_id).stats())
