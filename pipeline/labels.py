"""From configured words to questions: every phrase in every prompt, encoded once and averaged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Vector
from pipeline.plan import QuestionPlan
from pipeline.words import Question

TIMEOUT_S = 60.0
RETRY_S = (2.0, 60.0)
"""After a failure, doubled up to the second: an encoder may load for minutes."""
AT_ONCE = 16


class Lesson:
    """The labels' vectors, asked of the encoder once it speaks.

    ``speaker`` is its handle. ``tell`` is called with what is in the way, each time that changes.
    """

    def __init__(
        self, plans: list[QuestionPlan], speaker: Any, tell: Callable[[str], None]
    ) -> None:
        self._plans = plans
        self._speaker = speaker
        self._tell = tell

    def learn(self, stop: threading.Event) -> tuple[list[Question], str] | None:
        """The questions and the space of their vectors. Tries again, ever less often; None when
        stopped, or when the encoder says that it cannot."""
        wait_s, told = RETRY_S[0], ""
        while not stop.is_set():
            try:
                asked = [question(plan, self._encode_text) for plan in self._plans]
                about = self._speaker.describe.remote().result(timeout_s=TIMEOUT_S)
            except Exception as error:  # of Ray, of Serve, of the encoder: robots wait
                cause = getattr(error, "cause", None) or error  # Ray wraps what a replica raised
                never = isinstance(cause, InvalidInput | NotImplementedError)
                why = f"{type(cause).__name__}: {cause}".splitlines()[0][:300]
                if never or why != told:
                    self._tell(f"{'given up' if never else 'not yet'}: {why}")
                if never:
                    return None
                told = why
                stop.wait(wait_s)
                wait_s = min(2 * wait_s, RETRY_S[1])
            else:
                return asked, about["space_id"]
        return None

    def _encode_text(self, texts: list[str]) -> Vector:
        """A few at a time: on a small CPU a large vocabulary takes minutes."""
        parts = [texts[i : i + AT_ONCE] for i in range(0, len(texts), AT_ONCE)]
        ask = self._speaker.encode_text.remote
        return np.concatenate([ask(part).result(timeout_s=TIMEOUT_S) for part in parts])


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
