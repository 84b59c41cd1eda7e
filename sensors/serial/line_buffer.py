"""Lines of text in a stream of bytes that may begin anywhere. Pure."""

from __future__ import annotations

MAX_LINE_BYTES = 1024


class LineBuffer:
    """Cuts lines out of bytes. ``skipped``: bytes that went on without any end of a line."""

    def __init__(self) -> None:
        self.skipped = 0
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete after these bytes, without their ends; no empty ones."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            self.skipped += len(self._rest)
            self._rest = b""
        return [stripped for line in lines if (stripped := line.strip())]
