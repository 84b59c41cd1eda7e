"""Labels learnt in a thread of their own: an encoder may load for minutes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from pipeline.direct import direct
from pipeline.labels import Lesson
from pipeline.plan import QuestionPlan
from pipeline.words import Question

Learnt: TypeAlias = tuple[list[Question], str]
"""The questions, and the space of their vectors."""
LOOK_AGAIN_S = 2.0
"""After an encoder was replaced, labels are those of the old one for so long at most, and then as
long as learning takes."""
_log = logging.getLogger("ray.serve")


class Learning:
    """What was told last is learnt, and learnt anew when another encoder answers; what is being
    learnt when something else is told, nobody needs any more.

    ``speaker`` is the handle of the encoder. ``tell`` is called, by that thread, with what is in
    the way.
    """

    def __init__(self, speaker: Any, tell: Callable[[str], None]) -> None:
        self._speaker, self._tell = direct(speaker), tell
        self._stop = threading.Event()
        self._learnt: Learnt | None = None

    def learn(self, questions: Sequence[QuestionPlan]) -> None:
        """These from now on; ``take`` gives them once they are known."""
        self.stop()
        self._stop = threading.Event()
        self._learnt = None if questions else ([], "")
        if questions:
            lesson = (list(questions), self._stop)
            threading.Thread(target=self._learn, args=lesson, name="labels", daemon=True).start()

    def take(self) -> Learnt | None:
        """What was learnt since the last call."""
        learnt, self._learnt = self._learnt, None
        return learnt

    def stop(self) -> None:
        """Nothing more is learnt."""
        self._stop.set()

    def _learn(self, questions: list[QuestionPlan], stop: threading.Event) -> None:
        """And anew whenever another encoder answers: its space, or its words, may be others."""
        lesson = Lesson(questions, self._speaker, self._told)
        while not stop.is_set():
            learnt = lesson.learn(stop)
            if learnt is not None and not stop.is_set():
                self._learnt = learnt
            while not stop.wait(LOOK_AGAIN_S) and not lesson.is_outdated():
                pass

    def _told(self, why: str) -> None:
        _log.warning("labels: %s", why)
        self._tell(why)
