"""The arithmetic of evaluation, against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.bind import zero_shot


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_label_vectors_are_the_unit_means_of_their_prompts() -> None:
    """Breaks if prompts are not averaged or the mean is not normalised."""
    got = zero_shot.label_vectors([np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[:1]])
    assert got == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [1.0, 0.0]]))


def test_an_answer_is_right_if_it_is_one_of_the_true_ones() -> None:
    """Breaks if a scene of two objects accepts only the first."""
    labels = np.eye(3, dtype=np.float32)
    asked = labels[[0, 1, 2]]
    assert zero_shot.hits(asked, labels, [{0, 2}, {0, 2}, {0, 2}]).tolist() == [True, False, True]


def test_chance_counts_how_many_answers_would_be_right() -> None:
    """Breaks if scenes with two objects are counted as one."""
    assert zero_shot.chance([{0}, {0, 1}], 4) == pytest.approx(0.375)


def test_recall_finds_what_is_there_and_not_what_is_elsewhere() -> None:
    """Breaks if rows are compared with another row's counterpart."""
    rows = np.eye(10, dtype=np.float32)
    assert zero_shot.recall(rows, rows, 1) == 1.0
    assert zero_shot.recall(rows, np.roll(rows, 1, axis=0), 1) == 0.0


def test_recall_counts_equal_captions_as_counterparts() -> None:
    """Breaks if an equal text at another place counts as wrong."""
    gallery = np.eye(4, dtype=np.float32)
    queries = gallery[[1, 0, 2, 3]]
    assert zero_shot.recall(queries, gallery, 1) == 0.5
    assert zero_shot.recall(queries, gallery, 1, same=np.array([7, 7, 8, 9])) == 1.0


def test_recall_cuts_galleries_and_leaves_a_short_rest_out() -> None:
    """Breaks if a query is searched in all rows, or the rest is a smaller, easier gallery."""
    rows = _unit(np.random.default_rng(0).normal(size=(50, 8)))
    queries = rows.copy()
    queries[40:] = -queries[40:]  # the rest would be wrong
    assert zero_shot.recall(queries, rows, 1, size=20) == 1.0


@given(st.integers(2, 40), st.integers(1, 10), st.integers(0, 2**31))
def test_recall_grows_with_k_and_reaches_one(count: int, k: int, seed: int) -> None:
    """Breaks if the k nearest are not sorted by similarity."""
    draw = np.random.default_rng(seed)
    left, right = (_unit(draw.normal(size=(count, 6))) for _ in range(2))
    at = [zero_shot.recall(left, right, n) for n in (k, k + 1, count)]
    assert at[0] <= at[1] <= at[2] == 1.0
