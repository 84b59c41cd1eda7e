"""Labels learnt in a thread of their own: an encoder may load for minutes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from pipeline.direct import direct
from pipeline.plan import QuestionPlan
from pipeline.publisher.labels import Lesson
from pipeline.publisher.words import Question

Learnt: TypeAlias = tuple[list[Question], str]
"""The questions, and the space of their vectors."""
Said: TypeAlias = deque[Learnt | str]
"""What came of one lesson, in order: what was learnt, or in words what is in the way."""
MOST_SAID = 100
LOOK_AGAIN_S = 2.0
"""After an encoder was replaced, labels are those of the old one for so long at most, and then as
long as learning takes."""
_log = logging.getLogger("ray.serve")


class Learning:
    """What was told last is learnt, and learnt anew when another encoder answers; what is being
    learnt when something else is told, nobody needs any more.

    ``speaker`` is the handle of the encoder.
    """

    def __init__(self, speaker: Any) -> None:
        self._speaker = direct(speaker)
        self._stop = threading.Event()
        self._said: Said = deque()

    def learn(self, questions: Sequence[QuestionPlan]) -> None:
        """These from now on; ``take`` gives them once they are known."""
        self.stop()
        self._stop, self._said = threading.Event(), deque(maxlen=MOST_SAID)
        if questions:
            lesson = (list(questions), self._stop, self._said)  # one that was stopped has its own
            threading.Thread(target=self._learn, args=lesson, name="labels", daemon=True).start()
        else:
            self._said.append(([], ""))

    def take(self) -> Iterator[Learnt | str]:
        """What was learnt, and what was in the way, since the last call."""
        while self._said:
            yield self._said.popleft()

    def stop(self) -> None:
        """Nothing more is learnt."""
        self._stop.set()

    def _learn(self, questions: list[QuestionPlan], stop: threading.Event, said: Said) -> None:
        """And anew whenever another encoder answers: its space, or its words, may be others."""

        def tell(why: str) -> None:
            _log.warning("labels: %s", why)
            said.append(why)

        lesson = Lesson(questions, self._speaker, tell)
        while not stop.is_set():
            learnt = lesson.learn(stop)
            if learnt is not None:
                said.append(learnt)
            while not stop.wait(LOOK_AGAIN_S) and not lesson.is_outdated():
                pass
