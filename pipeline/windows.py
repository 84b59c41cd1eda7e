"""Samples -> windows, in event time. Pure: no clock, no sleep, no thread.

A windower puts the samples of one stream in order, lays windows on the Unix grid of the hop
and gives each window or hole its seq. What a window holds is the matter of its modality:
``audio_window``, ``frame_window`` and ``imu_window``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from bindstream.types import Array, Meta, Modality, Sample


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """One window's content, half-open [start_ns, end_ns); shapes as in ``bindstream.Window``.

    ``captured_ns`` is the arrival of the sample that completed the window.
    """

    seq: int
    start_ns: int
    end_ns: int
    data: Array
    meta: Meta
    n_missing: int
    captured_ns: int


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch whose windows hold no usable data, [start_ns, end_ns) of all of them: one seq
    for a whole outage, to be published as a tombstone ``sensor_gap`` (or ``paused``)."""

    seq: int
    start_ns: int
    end_ns: int


Outcome: TypeAlias = Cut | Hole


class Windower(Protocol):
    modality: Modality

    def push(self, sample: Sample) -> list[Cut | Hole]:
        """Take one sample; return what it completed, in the order of seq."""

    def flush(self) -> list[Cut | Hole]:
        """The hole that is still growing, if any: call it when the stream ends or restarts."""

    def stats(self) -> dict[str, int]:
        """Counts since the start: samples, late, duplicate, backward, outlier, restarts, ..."""


def make_windower(
    modality: Modality,
    *,
    length_s: float,
    hop_s: float,
    rate_hz: float,
    frames: int = 2,
    lateness_s: float = 0.0,
) -> Windower:
    """The windower of a modality."""
    raise NotImplementedError
