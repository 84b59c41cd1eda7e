"""How it stands with a device: whether it is open, and what is in the way."""

from __future__ import annotations

import time
from collections.abc import Callable

from bindstream.errors import DeviceBusy, StreamEnded
from pipeline.sensing.border import in_words

BUSY_GRACE_S = 15.0


class DeviceState:
    """``name`` is one of opening, running, paused, ended and stopped; ``why`` says what is in the
    way. ``tell`` hears of every change, as ``stream_NAME``, and of losses. ``ended`` stays: nothing
    follows. Written by one thread."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self.name, self.why = "opening", ""
        self.reopened = 0
        self.ended = False
        self._tell = tell
        self._opening_since_s = time.monotonic()

    def begin(self) -> None:
        """The device is to be opened for the first time."""
        self._opening_since_s = time.monotonic()

    def become(self, name: str, why: str) -> None:
        """It is so now."""
        if name == "opening" and self.name != "opening":
            self._opening_since_s = time.monotonic()
        changed, self.name, self.why = name != self.name, name, why
        if changed:
            self._tell(f"stream_{name}", why)

    def excuse(self, error: Exception) -> None:
        """It could not be opened. A busy device is often just being released: it is not reported
        at once."""
        self.become("opening", self.why)
        waited_s = time.monotonic() - self._opening_since_s
        if not isinstance(error, DeviceBusy) or waited_s > BUSY_GRACE_S:
            self.why = in_words(error)

    def lose(self, error: Exception) -> None:
        """It was open, and is lost."""
        self.reopened += 1
        self._tell("stream_lost", in_words(error))
        self.become("opening", in_words(error))

    def end(self, error: StreamEnded) -> None:
        """Nothing follows, said the driver."""
        self.ended = True
        self.become("ended", in_words(error))
