"""Binary frames in a stream of bytes that may begin anywhere and may be damaged. Pure.

A protocol says how a frame begins, how long it is and whether its check holds; the rest, to find
one's step and to find it again, is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable

Size = Callable[[bytes, int], int | None]
"""How long the frame is that begins at an index: 0 where none does, None where too few bytes came
to tell."""


class Frames:
    """Cuts frames out of bytes.

    ``bad`` counts frames whose check failed, ``skipped`` bytes that belonged to no frame. ``weak``:
    a check of 8 bits lets 1 in 256 damaged frames through, so out of step a frame counts only if
    the next one follows it.
    """

    def __init__(
        self, head: bytes, size: Size, holds: Callable[[bytes], bool], *, weak: bool = False
    ) -> None:
        self.bad = 0
        self.skipped = 0
        self._head = head
        self._size = size
        self._holds = holds
        self._weak = weak
        self._rest = b""
        self._in_step = False

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete after these bytes, oldest first."""
        buffer = self._rest + data
        frames: list[bytes] = []
        at = self._next_head(buffer, 0)
        while (length := self._length(buffer, at)) is not None:
            if length:
                frames.append(buffer[at : at + length])
            at = self._next_head(buffer, at + (length or 1), at)
        self._rest = buffer[at:]
        return frames

    def _length(self, buffer: bytes, at: int) -> int | None:
        """Of the frame that stands here: 0 where none does, None where more bytes are needed."""
        if at + len(self._head) > len(buffer):
            return None
        length = self._size(buffer, at)
        if length is None or (length and at + length > len(buffer)):
            return None
        if not length or not self._holds(buffer[at : at + length]):
            self.bad += self._in_step and bool(length)
            self._in_step = False
            return 0
        if self._weak and not self._in_step:
            follower = buffer[at + length : at + length + len(self._head)]
            if not follower:
                return None
            if not self._head.startswith(follower):
                return 0
        self._in_step = True
        return length

    def _next_head(self, buffer: bytes, start: int, at: int | None = None) -> int:
        """The next place where a frame may begin, or the end; what lies between is skipped."""
        found = buffer.find(self._head, start)
        if found < 0:
            found = len(buffer) - _overlap(buffer[start:], self._head)
        skipped = found - start
        if at is not None and start == at + 1:  # no frame stood there
            skipped += 1
        self._in_step &= not skipped
        self.skipped += skipped
        return found


def _overlap(tail: bytes, head: bytes) -> int:
    """How many of the last bytes may be the beginning of a head."""
    return next((n for n in range(len(head) - 1, 0, -1) if tail.endswith(head[:n])), 0)
