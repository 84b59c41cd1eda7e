"""From configured words to questions: every phrase in every prompt, encoded once and averaged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Modality, Vector
from pipeline.plan import QuestionPlan
from pipeline.publisher.words import Question

TIMEOUT_S = 60.0
RETRY_S = (2.0, 60.0)
"""After a failure, doubled up to the second: an encoder may load for minutes."""
AT_ONCE = 16
EncodeText: TypeAlias = Callable[[list[str], Modality | None], Vector]


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
        self._learnt_of = ("", "")

    def is_outdated(self) -> bool:
        """Whether another encoder now answers than the one that was learnt of; no, where none
        does."""
        try:
            return _whose(self._about()) != self._learnt_of
        except Exception:  # of Ray, of Serve: it may just be replaced
            return False

    def learn(self, stop: threading.Event) -> tuple[list[Question], str] | None:
        """The questions and the space of their vectors. Tries again, ever less often; None when
        stopped, or when the encoder says that it cannot."""
        wait_s, told = RETRY_S[0], ""
        while not stop.is_set():
            try:
                about = self._about()
                self._learnt_of = _whose(about)
                each = bool(about.get("text_per_modality", False))
                asked = [question(plan, self._encode_text, each=each) for plan in self._plans]
                if self.is_outdated():  # replaced meanwhile: nobody knows whose they are
                    stop.wait(RETRY_S[0])
                    continue
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

    def _about(self) -> Any:
        return self._speaker.describe.remote().result(timeout_s=TIMEOUT_S)

    def _encode_text(self, texts: list[str], modality: Modality | None) -> Vector:
        """A few at a time: on a small CPU a large vocabulary takes minutes."""
        parts = [texts[i : i + AT_ONCE] for i in range(0, len(texts), AT_ONCE)]
        ask, meant = self._speaker.encode_text.remote, modality and str(modality)
        return np.concatenate([ask(part, meant).result(timeout_s=TIMEOUT_S) for part in parts])


def _whose(about: Any) -> tuple[str, str]:
    """The space and the weights; replicas may differ in the number format alone."""
    return str(about["space_id"]), str(about["encoder_id"]).rpartition("/")[0]


def question(plan: QuestionPlan, encode_text: EncodeText, *, each: bool = False) -> Question:
    """Ask the encoder for all prompts of a question at once; one unit vector per answer.

    ``each``: a text has another vector for each modality that it is compared with, so that it is
    asked for each that can answer; else once for all. Averaging a word's prompts before comparing
    is CLIP's prompt ensembling (Radford et al., 2021).
    """
    texts = [
        prompt.replace("{}", phrase)
        for phrases in plan.phrases.values()
        for phrase in phrases
        for prompt in plan.prompts
    ]
    sizes = [len(phrases) * len(plan.prompts) for phrases in plan.phrases.values()]
    if each:
        vectors = {m: _averaged(encode_text(texts, m), sizes) for m in plan.modalities}
    else:
        vectors = dict.fromkeys(plan.modalities, _averaged(encode_text(texts, None), sizes))
    return Question(plan.name, tuple(plan.phrases), vectors, plan.margin)


def _averaged(encoded: Vector, sizes: list[int]) -> Vector:
    """(answers x phrases x prompts, dim) -> (answers, dim), unit norm each."""
    groups = np.split(encoded, np.cumsum(sizes)[:-1])
    means = np.stack([group.mean(axis=0) for group in groups])
    vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(vectors, np.float32)
