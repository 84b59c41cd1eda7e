"""Scenes of the world through an encoder -> accuracies by words, recalls between modalities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from bindstream.types import SENSED, Array, Modality, Vector, Window
from deploy.lab import captions
from deploy.lab import pictures as scenes
from encoders.bind import zero_shot
from encoders.encoder import Encoder
from sensors.world.drawings import keep_all
from sensors.world.state import FACTORS

GALLERY = 200
_BATCH = 50

VISIBLE: dict[Modality, frozenset[str]] = {
    Modality.VISION: frozenset(FACTORS),
    Modality.AUDIO: frozenset({"object", "distance", "motion", "floor", "ambient"}),
    Modality.DEPTH: frozenset({"object", "distance"}),
    Modality.THERMAL: frozenset({"object", "distance", "light"}),
    Modality.IMU: frozenset({"motion", "floor"}),
}
"""Which factors a sensor of the simulated world can tell at all; the others are controls."""


@dataclass(frozen=True, slots=True)
class Score:
    """One sensor asked for one factor by words. Shares from 0 to 1."""

    modality: Modality
    factor: str
    accuracy: float
    chance: float
    visible: bool

    @property
    def emergent(self) -> bool:
        """Never trained together: only pictures ever met words."""
        return self.modality is not Modality.VISION


@dataclass(frozen=True, slots=True)
class Recall:
    """Finding the counterpart of ``query`` in ``gallery``. Shares from 0 to 1."""

    query: str
    gallery: str
    at_1: float
    at_10: float


@dataclass(frozen=True, slots=True)
class Scores:
    """All of one evaluation; ``gallery`` is the number of candidates of a recall."""

    words: list[Score]
    recalls: list[Recall]
    gallery: int


def score(
    encoder: Encoder, count: int, seed: int, split: str = "test", *, show: bool = False
) -> Scores:
    """Encode ``count`` scenes of a split and score them. ``show``: a progress bar."""
    vectors, truth = encode(encoder, count, seed, split, show=show)
    return scores_of(vectors, truth, encoder.encode_text)


def scores_of(
    vectors: dict[Modality, Vector],
    truth: Sequence[captions.Words],
    encode_text: Callable[[list[str]], Vector],
) -> Scores:
    """From vectors by modality, each (N, E), and N scenes' true words."""
    words = [
        _named(modality, rows, factor, truth, encode_text)
        for modality, rows in vectors.items()
        for factor in FACTORS
    ]
    texts = [captions.full_caption(said) for said in truth]
    same = np.unique(texts, return_inverse=True)[1]
    everything: dict[Modality, Vector] = {**vectors, Modality.TEXT: encode_text(texts)}
    recalls = [
        _recall(q, g, everything, same if Modality.TEXT in (q, g) else None)
        for q, g in permutations(everything, 2)
    ]
    return Scores(words, recalls, min(GALLERY, len(truth)))


def encode(
    encoder: Encoder, count: int, seed: int, split: str, *, show: bool = False
) -> tuple[dict[Modality, Vector], list[captions.Words]]:
    """Scenes 0 .. count-1 -> vectors by modality, each (N, E), and the true words."""
    keep_all()
    held = [m for m in SENSED if m in encoder.modalities]
    parts: dict[Modality, list[Vector]] = {m: [] for m in held}
    truth: list[captions.Words] = []
    for first in _tracked(range(0, count, _BATCH), show):
        seen = [scenes.scene(seed, n, split) for n in range(first, min(first + _BATCH, count))]
        truth += [said for _, said in seen]
        for modality in held:
            windows: list[Window] = [cut[modality] for cut, _ in seen]
            parts[modality].append(encoder.encode(windows))
    return {m: np.concatenate(rows) for m, rows in parts.items()}, truth


def _named(
    modality: Modality,
    rows: Vector,
    factor: str,
    truth: Sequence[captions.Words],
    encode_text: Callable[[list[str]], Vector],
) -> Score:
    words = FACTORS[factor]
    labels = zero_shot.label_vectors([encode_text(captions.prompts(factor, w)) for w in words])
    true = [{words.index(w) for w in said[factor]} for said in truth]
    return Score(
        modality=modality,
        factor=factor,
        accuracy=float(zero_shot.hits(rows, labels, true).mean()),
        chance=zero_shot.chance(true, len(words)),
        visible=factor in VISIBLE[modality],
    )


def _recall(
    q: Modality, g: Modality, vectors: dict[Modality, Vector], same: Array | None
) -> Recall:
    def at(k: int) -> float:
        return zero_shot.recall(vectors[q], vectors[g], k, same=same, size=GALLERY)

    return Recall(str(q), str(g), at(1), at(10))


def _tracked(steps: range, show: bool) -> Iterable[int]:
    if not show:
        return steps
    from rich.progress import track

    return track(steps, description="scenes", transient=True)
