"""How good a joint space is: answers by words, and finding one's counterpart. Pure numpy.

Shapes: N scenes, C labels, E joint space. All vectors have unit norm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bindstream.types import Array, Vector


def label_vectors(prompts: Sequence[Vector]) -> Vector:
    """Per label, vectors of its prompts (P, E) -> one unit vector each, (C, E): the ensemble
    of Radford et al. 2021."""
    means = np.stack([np.asarray(vectors).mean(axis=0) for vectors in prompts])
    unit: Vector = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return unit


def hits(vectors: Vector, labels: Vector, truth: Sequence[set[int]]) -> Array:
    """(N, E) asked (C, E) -> (N,) bool: the nearest label is one that is true."""
    answers = (vectors @ labels.T).argmax(axis=1)
    return np.array([int(a) in t for a, t in zip(answers, truth, strict=True)], bool)


def chance(truth: Sequence[set[int]], n_labels: int) -> float:
    """What guessing one label at random would score."""
    return float(np.mean([len(t) / n_labels for t in truth]))


def recall(
    queries: Vector,
    gallery: Vector,
    k: int,
    *,
    same: Array | None = None,
    size: int = 200,
) -> float:
    """Share of queries (N, E) whose counterpart in (N, E) is among the ``k`` nearest of its
    gallery: N is cut into galleries of ``size`` in order, a short rest is left out (unless it
    is all there is).

    ``same`` (N,): rows of equal value are each other's counterpart too (equal captions).
    """
    ids = np.arange(len(queries)) if same is None else np.asarray(same)
    size = min(size, len(queries))
    found = [
        _found(queries[i : i + size], gallery[i : i + size], ids[i : i + size], k)
        for i in range(0, len(queries) - size + 1, size)
    ]
    return float(np.mean(np.concatenate(found)))


def _found(queries: Vector, gallery: Vector, ids: Array, k: int) -> Array:
    nearest = np.argsort(-(queries @ gallery.T), axis=1, kind="stable")[:, :k]  # (n, k)
    return np.asarray((ids[nearest] == ids[:, None]).any(axis=1))
