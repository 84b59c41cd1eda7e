"""Which word is nearest: questions asked of vectors. Pure.

A question holds unit vectors for its words, in the same space as the sensors' vectors. Its answer
is the word of the highest cosine, where that leads the second by ``margin``; otherwise nothing
is said. The gap between modalities (Liang et al., 2022) adds about the same to all cosines of one
sensor, so it cancels in the lead, and in the weighted mean over sensors alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bindstream.errors import ConfigError
from bindstream.types import Modality, Vector


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One question and its possible answers.

    ``vectors`` hold for each sensor that can tell (n, D) float32, unit norm, one per word: the
    same for all where the encoder has one vector for a text. ``margin`` is the least lead, in
    cosine, of the best word over the second. Raises ConfigError where these do not fit together.
    """

    name: str
    words: tuple[str, ...]
    vectors: Mapping[Modality, Vector]
    margin: float = 0.0

    def __post_init__(self) -> None:
        if len(self.words) < 2 or len(set(self.words)) != len(self.words):
            raise ConfigError(
                f"question '{self.name}' needs two or more different words; got {self.words}"
            )
        if not self.vectors:
            raise ConfigError(f"question '{self.name}' names no modality that can answer")
        for vectors in self.vectors.values():
            self._check(vectors)

    @property
    def modalities(self) -> frozenset[Modality]:
        """The sensors that can tell."""
        return frozenset(self.vectors)

    def cosines(self, modality: Modality, vector: Vector) -> Vector:
        """(n,): how near each word is to a unit vector (D,) of that sensor's."""
        return np.asarray(self.vectors[modality] @ vector)

    def _check(self, vectors: Vector) -> None:
        if vectors.ndim != 2 or len(vectors) != len(self.words):
            raise ConfigError(
                f"question '{self.name}': {len(self.words)} words need as many vectors (n, D); "
                f"got {vectors.shape}"
            )
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.allclose(lengths, 1.0, atol=1e-3):
            raise ConfigError(
                f"question '{self.name}': its vectors must have norm 1; "
                f"got {lengths.min():.4f} to {lengths.max():.4f}"
            )


class Asked:
    """What is asked of every vector of one space; nothing until ``ask``."""

    def __init__(self) -> None:
        self._questions: list[Question] = []
        self._space_id = ""

    def ask(self, questions: list[Question], space_id: str) -> None:
        """From now on vectors of that space are asked these."""
        self._questions, self._space_id = questions, space_id

    def of_vector(self, modality: Modality, space_id: str, vector: Vector) -> dict[str, str]:
        """Per question that this sensor can tell the word of one unit vector (D,)."""
        asked = [q for q in self._of(space_id) if modality in q.modalities]
        return {q.name: word for q in asked if (word := answer(q, modality, vector))}

    def of_scene(
        self, space_id: str, members: list[tuple[Modality, float, Vector]]
    ) -> dict[str, str]:
        """Per question the word of a scene's members: modality, weight and vector each."""
        asked = self._of(space_id)
        return {q.name: word for q in asked if (word := answer_scene(q, members))}

    def _of(self, space_id: str) -> list[Question]:
        return self._questions if space_id == self._space_id else []


def answer(question: Question, modality: Modality, vector: Vector) -> str | None:
    """The word nearest to one unit vector (D,), or None where no word leads by the margin.

    The caller asks only vectors of the question's modalities.
    """
    return _best(question, question.cosines(modality, vector))


def answer_scene(
    question: Question, members: Iterable[tuple[Modality, float, Vector]]
) -> str | None:
    """The word that those members that can tell agree on: modality, weight and vector each.

    Their cosines are averaged by weight. None where nobody can tell or no word leads.
    """
    able = [
        (weight, question.cosines(modality, vector))
        for modality, weight, vector in members
        if modality in question.vectors and weight > 0
    ]
    if not able:
        return None
    total = sum(weight for weight, _ in able)
    mean = np.sum([weight / total * cosines for weight, cosines in able], axis=0)
    return _best(question, mean)


def _best(question: Question, scores: Vector) -> str | None:
    """A word whose score is finite and leads; a NaN (a broken vector) says nothing."""
    second, best = np.argsort(scores)[-2:]
    lead = scores[best] - scores[second]
    return question.words[best] if lead >= question.margin else None
