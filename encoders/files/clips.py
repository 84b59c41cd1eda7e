"""Which clips of a file the reference looks at. Pure; times are exact fractions.

Rule of the pinned pytorchvideo sampler (commit 6cdc929): ``count`` clips of two seconds, the
first at the start, the last at the end, the others evenly between. (pytorchvideo 0.1.5 from the
package index spreads them otherwise and gives other numbers.)
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

LENGTH_S = 2.0
"""Of the reference; weights with other windows take their own."""
AUDIO_CLIPS, VIDEO_CLIPS = 3, 5


def clip_times(
    duration_s: float | Fraction, count: int, length_s: float = LENGTH_S
) -> list[tuple[Fraction, Fraction]]:
    """(start, end) in seconds of each clip; a shorter file gives the same clip each time."""
    length = Fraction(length_s)
    spare = max(Fraction(duration_s) - length, Fraction(0))
    starts = [spare * n / (count - 1) for n in range(count)]
    return [(start, start + length) for start in starts]


def clip_samples(samples: int, rate_hz: int, count: int, length_s: float = LENGTH_S) -> list[slice]:
    """The clips of a sound of so many samples, as slices of it."""
    times = clip_times(Fraction(samples, rate_hz), count, length_s)
    return [slice(int(start * rate_hz), int(end * rate_hz)) for start, end in times]


def clip_frames(
    frames: int, fps: float, count: int, length_s: float = LENGTH_S
) -> list[tuple[int, int]]:
    """First and last frame of each clip of a video: all that a two-frame model sees of it."""
    rate = Fraction(fps)
    pairs = []
    for start, end in clip_times(frames / rate, count, length_s):
        first = min(math.ceil(rate * start), frames - 1)
        last = min(math.ceil(rate * end), frames) - 1
        pairs.append((first, max(first, last)))
    return pairs


def clip_frames_at(
    times_s: Sequence[float], count: int, length_s: float = LENGTH_S
) -> list[tuple[int, int]]:
    """As ``clip_frames``, by each frame's own time (the first at 0) where the rate is wrong."""
    frames = len(times_s)
    period_s = times_s[-1] / (frames - 1)
    pairs = []
    for start, end in clip_times(times_s[-1] + period_s, count, length_s):
        first = min(bisect_left(times_s, float(start)), frames - 1)
        pairs.append((first, max(first, bisect_left(times_s, float(end)) - 1)))
    return pairs
