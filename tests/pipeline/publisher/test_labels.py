"""Configured words become one unit vector per answer."""

from __future__ import annotations

import numpy as np
import pytest

from bindstream.types import Modality
from pipeline.plan import QuestionPlan
from pipeline.publisher.labels import question

AXES = {"a dog": 0, "a photo of a dog": 1, "a cat": 2, "a photo of a cat": 3, "a kitten": 4}


def encode_text(texts: list[str], modality: Modality | None) -> np.ndarray:
    meant.append(modality)
    asked.append(texts)
    return np.stack([np.eye(8, dtype=np.float32)[AXES.get(t, 7)] for t in texts])


asked: list[list[str]] = []
meant: list[Modality | None] = []


def plan(phrases: dict[str, list[str]], prompts: list[str]) -> QuestionPlan:
    return QuestionPlan("object", phrases, prompts, [Modality.VISION], 0.05)


def test_phrases_and_prompts_are_averaged_per_answer():
    """Breaks if a phrase is counted for another answer, or a vector is not of unit length."""
    q = question(
        plan({"dog": ["a dog"], "cat": ["a cat", "a kitten"]}, ["{}", "a photo of {}"]),
        encode_text,
    )
    assert q.words == ("dog", "cat")
    root = np.sqrt(0.5)
    np.testing.assert_allclose(
        q.vectors[Modality.VISION][0], [root, root, 0, 0, 0, 0, 0, 0], atol=1e-6
    )
    expected = np.array([0, 0, 1, 1, 1, 0, 0, 1]) / 2
    np.testing.assert_allclose(q.vectors[Modality.VISION][1], expected, atol=1e-6)
    assert q.vectors[Modality.VISION].dtype == np.float32
    assert q.modalities == {Modality.VISION}
    assert q.margin == 0.05


@pytest.mark.parametrize("phrase", ["{0}", "a {weird} one", "50 % {}"])
def test_braces_in_a_phrase_or_prompt_are_only_text(phrase):
    """Breaks if a brace in somebody's words is taken for a format and the labels never come."""
    asked.clear()
    question(plan({"a": [phrase], "b": ["a dog"]}, ["{}", "in {braces}: {}"]), encode_text)
    assert asked[0][:2] == [phrase, "in {braces}: " + phrase]


def test_a_text_is_asked_once_for_all_or_for_each_modality_that_can_answer():
    """Breaks if an encoder with one text tower is asked five times, or one with a text for each
    modality is asked for the wrong one."""
    both = QuestionPlan(
        "object", {"a": ["a dog"], "b": ["a cat"]}, ["{}"], [Modality.AUDIO, Modality.IMU], 0.0
    )
    meant.clear()
    one = question(both, encode_text)
    assert meant == [None]
    assert one.vectors[Modality.AUDIO] is one.vectors[Modality.IMU]
    meant.clear()
    each = question(both, encode_text, each=True)
    assert meant == [Modality.AUDIO, Modality.IMU]
    assert set(each.vectors) == {Modality.AUDIO, Modality.IMU}
