"""A stream's windows in bundles: what goes from who cuts them to who encodes them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from bindstream.types import Embedding, Reason, Tombstone, Window
from pipeline.windows.hole import Outcome

PART = 256
"""A part file holds the outcomes of so many windows in a row: seq 0 to 255, 256 to 511, ..."""
MOST_WINDOWS, MOST_BYTES = 8, 4 << 20
"""Of one bundle; a single window may be larger."""


@dataclass(frozen=True, slots=True)
class End:
    """A stream was cut to its end: into so many windows and holes; or it ended with a ``fault``.
    ``counters``: what of the recording could not be used."""

    outcomes: int
    counters: dict[str, int] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Of the stream with that number. All outcomes are of one part."""

    stream: int
    windows: tuple[Window, ...] = ()
    dropped: tuple[Tombstone, ...] = ()
    end: End | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a bundle. ``worker`` encoded for ``encode_s`` of the time from ``begin_s`` to
    ``end_s`` (Unix). ``why``: in words, what was wrong with a window that has no vector."""

    stream: int
    embeddings: tuple[Embedding, ...]
    dropped: tuple[Tombstone, ...]
    end: End | None
    worker: str
    begin_s: float
    end_s: float
    encode_s: float
    why: str = ""


def bundled(
    stream: int,
    outcomes: Iterable[Outcome],
    counters: Callable[[], dict[str, int]],
    done: Collection[int] = (),
) -> Iterator[Bundle]:
    """All outcomes, but those of parts that are ``done``; the last bundle tells the end. An error
    of the recording is told there too: other streams go on."""
    count, at = 0, 0
    windows: list[Window] = []
    dropped: list[Tombstone] = []
    fault = ""
    try:
        for outcome in outcomes:
            part = outcome.seq // PART
            if (windows or dropped) and (part != at or _is_full(windows, dropped)):
                yield Bundle(stream, tuple(windows), tuple(dropped))
                windows, dropped = [], []
            at, count = part, outcome.seq + 1
            if part in done:
                continue
            if isinstance(outcome, Window):
                windows.append(outcome)
            else:
                dropped.append(Tombstone(**outcome.stamp(), reason=Reason.SENSOR_GAP))
    except Exception as error:  # of a recording or a driver of anybody's
        fault = f"{type(error).__name__}: {error}"
    yield Bundle(stream, tuple(windows), tuple(dropped), End(count, counters(), fault))


def _is_full(windows: list[Window], dropped: list[Tombstone]) -> bool:
    if len(windows) + len(dropped) >= MOST_WINDOWS:
        return True
    return sum(window.data.nbytes for window in windows) >= MOST_BYTES
