"""From configured words to questions: every phrase in every prompt, encoded once and averaged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bindstream.types import Vector
from pipeline.plan import QuestionPlan
from pipeline.words import Question


def question(plan: QuestionPlan, encode_text: Callable[[list[str]], Vector]) -> Question:
    """Ask the encoder for all prompts of a question at once; one unit vector per answer.

    Averaging a word's prompts before comparing is CLIP's prompt ensembling (Radford et al., 2021).
    """
    texts = [
        prompt.replace("{}", phrase)
        for phrases in plan.phrases.values()
        for phrase in phrases
        for prompt in plan.prompts
    ]
    encoded = encode_text(texts)  # (answers x phrases x prompts, dim)
    sizes = [len(phrases) * len(plan.prompts) for phrases in plan.phrases.values()]
    groups = np.split(encoded, np.cumsum(sizes)[:-1])
    means = np.stack([group.mean(axis=0) for group in groups])
    vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    return Question(
        name=plan.name,
        words=tuple(plan.phrases),
        vectors=vectors.astype(np.float32),
        modalities=frozenset(plan.modalities),
        margin=plan.margin,
    )
