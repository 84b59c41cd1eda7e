"""Windows of frames: which frames a window takes, and nothing of the others kept.

A stack holds the first and the last frame of [start, end), the reference's rule for two frames
of a clip (facebookresearch/ImageBind, ``data.py``). Only those are resized: the first as soon
as it comes, since window starts lie on a grid and are known beforehand; the last when the
window closes. Of raw frames the newest alone is held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bindstream.types import Array, Sample, VisionMeta
from pipeline.frames import Frame, single_image, stack_frame
from pipeline.piece import Piece


def is_picture(data: Array) -> bool:
    """Whether the data is (H, W, 3) uint8 and not empty."""
    return data.dtype == np.uint8 and data.ndim == 3 and data.shape[2] == 3 and data.size > 0


def is_map(data: Array) -> bool:
    """Whether the data is (H, W) floating and not empty."""
    return data.dtype.kind == "f" and data.ndim == 2 and data.size > 0


def native_map(sample: Sample) -> Piece:
    """Depth and thermal: (H, W) float32 at its native size, holes (0) as they are."""
    return Piece(np.asarray(sample.data, np.float32), sample.meta, 0)


def still_picture(sample: Sample) -> Piece:
    """One frame of vision: (1, 224, 224, 3) uint8; meta VisionMeta with span 0."""
    return Piece(single_image(sample.data)[np.newaxis], VisionMeta(0), 0)


class NewestFrame:
    """The newest frame of the window, made into a piece when the window closes."""

    jitter_ns = 0

    def __init__(self, is_frame: Callable[[Array], bool], make: Callable[[Sample], Piece]) -> None:
        self._is_frame, self._make = is_frame, make
        self._newest: Sample | None = None
        self.first_ns: int | None = None

    def accepts(self, data: Array) -> bool:
        """Whether the data is a frame of this kind."""
        return self._is_frame(data)

    def take(self, sample: Sample) -> Iterator[int]:
        """Close what ends by this frame, then hold it."""
        yield sample.t_ns
        self._newest = sample
        self.first_ns = sample.t_ns if self.first_ns is None else self.first_ns

    def cut(self, start_ns: int, _end_ns: int) -> Piece | None:
        """The newest frame, if it is not older than ``start_ns``."""
        if self._newest is None or self._newest.t_ns < start_ns:
            return None
        return self._make(self._newest)

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the newest frame, if it is not before ``after_ns``."""
        return _not_before(self._newest, after_ns)

    def forget(self, before_ns: int) -> None:
        """Nothing to do: one frame is held."""

    def restart(self) -> None:
        """Forget the frame."""
        self._newest = self.first_ns = None

    def stats(self) -> dict[str, int]:
        """Nothing of its own."""
        return {}


@dataclass(slots=True)
class _First:
    t_ns: int
    frame: Frame


class StackContent:
    """Vision with two frames: (2, 224, 224, 3) uint8, the first and the last of the window."""

    jitter_ns = 0

    def __init__(self, length_ns: int, hop_ns: int) -> None:
        self._length_ns, self._hop_ns = length_ns, hop_ns
        self._firsts: deque[_First] = deque()
        self._newest: Sample | None = None
        self._resized = 0
        self.first_ns: int | None = None

    def accepts(self, data: Array) -> bool:
        """Whether the data is (H, W, 3) uint8 and not empty."""
        return is_picture(data)

    def take(self, sample: Sample) -> Iterator[int]:
        """Close what ends by this frame, then hold it; shrink it if a window starts by it."""
        yield sample.t_ns
        previous_ns = self._newest.t_ns if self._newest else sample.t_ns - self._hop_ns
        if self._starts_until(sample.t_ns) > self._starts_until(previous_ns):
            self._firsts.append(_First(sample.t_ns, self._shrink(sample)))
        self._newest = sample
        self.first_ns = sample.t_ns if self.first_ns is None else self.first_ns

    def cut(self, start_ns: int, _end_ns: int) -> Piece | None:
        """First and last frame; a lone frame stands for both, and one is missing."""
        last = self._newest
        if last is None or last.t_ns < start_ns:
            return None
        first = next(f for f in self._firsts if f.t_ns >= start_ns)
        alone = first.t_ns == last.t_ns
        pair = (first.frame, first.frame if alone else self._shrink(last))
        return Piece(np.stack(pair), VisionMeta(last.t_ns - first.t_ns), int(alone))

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the newest frame, if it is not before ``after_ns``."""
        return _not_before(self._newest, after_ns)

    def forget(self, before_ns: int) -> None:
        """Drop first frames that no window will start with."""
        while self._firsts and self._firsts[0].t_ns < before_ns:
            self._firsts.popleft()

    def restart(self) -> None:
        """Forget all frames."""
        self._newest = self.first_ns = None
        self._firsts.clear()

    def stats(self) -> dict[str, int]:
        """``resized``: frames that were cropped and resized."""
        return {"resized": self._resized}

    def _starts_until(self, t_ns: int) -> int:
        """How many window starts lie at or before a time (they end on the grid of the hop)."""
        return (t_ns + self._length_ns) // self._hop_ns

    def _shrink(self, sample: Sample) -> Frame:
        self._resized += 1
        return stack_frame(sample.data)


def _not_before(sample: Sample | None, after_ns: int) -> int | None:
    return sample.t_ns if sample is not None and sample.t_ns >= after_ns else None
