"""Signals that ask a run to stop. A handler notes them and raises nothing.

An exception out of a handler comes up wherever the program happens to be, and Ray catches such
there: a Ctrl-C in the first seconds was lost. What waits looks at ``asked`` instead.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stopping:
    """What was asked for so far: ``number`` of the first signal (0: none), ``times`` altogether.

    Until ``begin`` there is nothing to end, and the process leaves at once.
    """

    def __init__(self) -> None:
        self.number = 0
        self.times = 0
        self._begun = False

    def hear(self) -> None:
        """Take the signals over, and again when Ray has put its own handler for SIGTERM in our
        place; a SIGHUP that `nohup` turned off stays off."""
        for one in STOPPING:
            if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN:
                signal.signal(one, self._note)

    def begin(self) -> None:
        """From here on somebody looks at ``asked`` and ends what was started."""
        self._begun = True

    @property
    def asked(self) -> bool:
        """Whether to stop."""
        return self.times > 0

    @property
    def insisted(self) -> bool:
        """Asked again: without draining."""
        return self.times > 1

    @property
    def exit_code(self) -> int:
        """As shells count: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.times += 1
        self.number = self.number or number
        signal.alarm(0)  # Ray's handler, if it was still there, would abort in 3 s
        if not self._begun:
            os._exit(self.exit_code)
