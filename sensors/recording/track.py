"""What a recording holds, whatever kind of file it is: its streams, and the samples of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bindstream.types import DepthMeta, Modality, Sample
from sensors.ros2.unpacking import Reading


@dataclass(frozen=True, slots=True)
class Track:
    """One stream of a recording. ``source``: where in it (a topic, a file). ``rate_hz``: samples
    per second (sound: of its signal), 0 where it is not known. ``meta``: of a depth camera.
    ``ends_ns``: when its last sample was recorded, 0 where only reading all of it would tell.
    ``lacks``: what must be said before it can be played; "" where nothing is missing. ``robot``:
    whose it was, "" where that is not known."""

    stream: str
    modality: Modality
    source: str
    rate_hz: float = 0.0
    meta: DepthMeta | None = None
    lacks: str = ""
    robot: str = ""
    ends_ns: int = 0


class Recording(Protocol):
    """A file or folder, opened for reading."""

    @property
    def starts_ns(self) -> int:
        """When it begins, Unix ns: for all its streams."""

    @property
    def damaged(self) -> int:
        """Places that could not be read, so far."""

    def tracks(self) -> Sequence[Track]:
        """Its streams."""

    def track(self, wanted: str) -> Track | None:
        """The one of that name, or from that source."""

    def samples(
        self, track: Track, reading: Reading, refused: Callable[[Exception], None]
    ) -> Iterator[Sample | None]:
        """Those of one stream, in the order in which they were recorded; None now and then, while
        none is found. ``refused`` is told of each that cannot be read."""


def named(tracks: Sequence[Track], wanted: str) -> Track | None:
    """The stream that is called so, else the one from that source."""
    by_name = (track for track in tracks if track.stream == wanted)
    by_source = (track for track in tracks if track.source == wanted)
    return next(by_name, None) or next(by_source, None)
