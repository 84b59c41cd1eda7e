"""What a stream's samples come to: windows, and the holes between them."""

from __future__ import annotations

from typing import TypeAlias

from bindstream.types import Stamped, Window


class Hole(Stamped, frozen=True, kw_only=True):
    """A stretch without usable data: [start_ns, end_ns) covers all windows that were not cut.

    A whole outage is one Hole with one seq, told when the stream is back (or flushed), to be
    published as a tombstone ``sensor_gap`` (``paused`` where the shell knows better).
    """


Outcome: TypeAlias = Window | Hole
