"""JSON objects, one a line, from any thread."""

from __future__ import annotations

import json
import threading
from typing import IO, Any


class JsonLines:
    """``print`` writes an object and the end of its line apart: another thread's object may come
    between them, and who reads the lines falls over two in one. Here each is whole."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._lock = threading.Lock()

    def write(self, record: dict[str, Any]) -> None:
        """Write one, and see it out. Raises OSError where nobody reads any more."""
        line = json.dumps(record) + "\n"
        with self._lock:
            self._out.write(line)
            self._out.flush()
