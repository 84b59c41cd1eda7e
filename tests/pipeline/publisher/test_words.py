"""Questions and answers: pure, on small vectors that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.errors import ConfigError
from bindstream.types import Modality
from pipeline.publisher.words import Question, answer, answer_scene

WORDS = ("dog", "bird", "car")
BOTH = frozenset({Modality.VISION, Modality.AUDIO})


def question(margin: float = 0.1, modalities: frozenset[Modality] = BOTH) -> Question:
    vectors = dict.fromkeys(modalities, np.eye(3, 4, dtype=np.float32))
    return Question("object", WORDS, vectors, margin)


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_names_the_nearest_word() -> None:
    """Breaks if words and vectors are taken in different orders."""
    for i, word in enumerate(WORDS):
        assert answer(question(), Modality.VISION, np.eye(4, dtype=np.float32)[i]) == word


def test_says_nothing_below_the_margin() -> None:
    """Breaks if the margin is compared with the score, not with the lead over the second."""
    close = unit(1.0, 0.95, 0.0, 0.0)
    assert answer(question(margin=0.1), Modality.VISION, close) is None
    assert answer(question(margin=0.01), Modality.VISION, close) == "dog"


def test_a_broken_vector_says_nothing() -> None:
    """Breaks if a NaN wins a comparison."""
    assert answer(question(), Modality.VISION, np.full(4, np.nan, np.float32)) is None


def test_only_members_that_can_tell_are_asked() -> None:
    """Breaks if an IMU, however heavy, has a say about objects."""
    members = [(Modality.IMU, 9.0, unit(0, 0, 1, 0)), (Modality.AUDIO, 0.5, unit(0, 1, 0, 0))]
    assert answer_scene(question(), members) == "bird"
    assert answer_scene(question(), members[:1]) is None
    assert answer_scene(question(), []) is None


def test_the_heavier_member_prevails_and_ties_say_nothing() -> None:
    """Breaks if weights are ignored or a disagreement is decided by order."""
    dog, car = unit(1, 0, 0, 0), unit(0, 0, 1, 0)
    heavy = [(Modality.VISION, 0.7, dog), (Modality.AUDIO, 0.3, car)]
    assert answer_scene(question(), heavy) == "dog"
    even = [(Modality.VISION, 0.5, dog), (Modality.AUDIO, 0.5, car)]
    assert answer_scene(question(), even) is None


@settings(deadline=None)
@given(
    st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4),
    st.floats(0.125, 8, width=32),
    st.floats(-1, 1, width=32),
)
def test_neither_total_weight_nor_a_gap_changes_the_answer(
    values: list[float], weight: float, gap: float
) -> None:
    """Breaks if weights are not normalised, or if what all words share shifts the lead."""
    vector = np.array(values, np.float32)
    alone = answer(question(), Modality.VISION, vector)
    assert answer_scene(question(), [(Modality.VISION, weight, vector)]) == alone or _edge(vector)
    shifted = np.array([*(vector[:3] + np.float32(gap)), vector[3]], np.float32)
    assert answer(question(), Modality.VISION, shifted) == alone or _edge(vector)


def _edge(vector: np.ndarray) -> bool:
    """So near to the margin that rounding decides."""
    best, second = np.sort(vector[:3])[:0:-1]
    return abs(best - second - 0.1) < 1e-5 or best - second < 1e-5


@pytest.mark.parametrize(
    ("words", "vectors", "modalities", "says"),
    [
        (("dog",), np.eye(1), BOTH, "two or more"),
        (("dog", "dog"), np.eye(2), BOTH, "different"),
        (("dog", "car"), np.eye(3), BOTH, "as many vectors"),
        (("dog", "car"), 2 * np.eye(2), BOTH, "norm 1"),
        (("dog", "car"), np.eye(2), frozenset(), "no modality"),
    ],
)
def test_refuses_what_does_not_fit(words, vectors, modalities, says) -> None:
    """Breaks if a question that cannot be answered is accepted."""
    with pytest.raises(ConfigError, match=says):
        Question("object", words, dict.fromkeys(modalities, vectors.astype(np.float32)))


def test_each_sensor_is_compared_with_the_words_that_are_meant_for_it() -> None:
    """Breaks if an encoder that has another text for sound than for pictures gets one of them
    compared with both."""
    seen, heard = np.eye(3, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32)[::-1].copy()
    q = Question("object", WORDS, {Modality.VISION: seen, Modality.AUDIO: heard})
    vector = np.eye(4, dtype=np.float32)[0]
    assert answer(q, Modality.VISION, vector) == WORDS[0]
    assert answer(q, Modality.AUDIO, vector) == WORDS[2]
    members = [(Modality.VISION, 0.5, vector), (Modality.AUDIO, 0.5, np.eye(4)[2])]
    assert answer_scene(q, members) == WORDS[0]
