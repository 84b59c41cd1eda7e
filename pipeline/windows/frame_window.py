"""Windows of frames: which frames a window takes, and nothing of the others kept.

A stack of n holds the first and the last frame of [start, end) and those evenly between, the
reference's rule for the frames of a clip (facebookresearch/ImageBind, ``data.py``): of each of
n - 1 even places the first frame from there on, and the newest. Only those are resized: as soon as
they come, since windows lie on a grid and their places are known beforehand; the last when the
window closes. Of raw frames the newest alone is held (all chosen ones, where they stay native).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bindstream.formats import Frames, Map
from bindstream.types import Array, Sample, VisionMeta
from pipeline.windows.frames import Frame, fitted, fitted_map
from pipeline.windows.piece import Piece


def is_picture(data: Array) -> bool:
    """Whether the data is (H, W, 3) uint8 and not empty."""
    return data.dtype == np.uint8 and data.ndim == 3 and data.shape[2] == 3 and data.size > 0


def is_map(data: Array) -> bool:
    """Whether the data is (H, W) floating and not empty."""
    return data.dtype.kind == "f" and data.ndim == 2 and data.size > 0


def newest_map(sample: Sample, form: Map) -> Piece:
    """Depth and thermal: (H, W) float32, holes (0) as they are."""
    return Piece(*fitted_map(sample.data, sample.meta, form), 0)


def still_picture(sample: Sample, form: Frames) -> Piece:
    """One frame of vision: (1, H, W, 3) uint8; meta VisionMeta with span 0."""
    return Piece(fitted(sample.data, form)[np.newaxis], VisionMeta(0), 0)


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
class _Kept:
    t_ns: int
    frame: Frame


class StackContent:
    """Vision with several frames: (n, H, W, 3) uint8, evenly over the window."""

    jitter_ns = 0

    def __init__(self, form: Frames, length_ns: int, hop_ns: int) -> None:
        self._form, self._length_ns, self._hop_ns = form, length_ns, hop_ns
        steps = form.frames - 1
        self._places_ns = [round(k * length_ns / steps) for k in range(steps)]  # after the start
        self._kept: deque[_Kept] = deque()
        self._newest: Sample | None = None
        self._resized = 0
        self.first_ns: int | None = None

    def accepts(self, data: Array) -> bool:
        """Whether the data is (H, W, 3) uint8 and not empty."""
        return is_picture(data)

    def take(self, sample: Sample) -> Iterator[int]:
        """Close what ends by this frame, then hold it; shrink it if it has a place in a window."""
        yield sample.t_ns
        previous_ns = self._newest.t_ns if self._newest else sample.t_ns - self._hop_ns
        if self._has_place(previous_ns, sample.t_ns):
            self._kept.append(_Kept(sample.t_ns, self._fitted(sample)))
        self._newest = sample
        self.first_ns = sample.t_ns if self.first_ns is None else self.first_ns

    def cut(self, start_ns: int, _end_ns: int) -> Piece | None:
        """The frames of [start, end); one that stands for several places lets others miss."""
        newest = self._newest
        if newest is None or newest.t_ns < start_ns:
            return None
        held = [kept for kept in self._kept if kept.t_ns >= start_ns]
        if not held or held[-1].t_ns != newest.t_ns:
            held.append(_Kept(newest.t_ns, self._fitted(newest)))
        held = [kept for kept in held if kept.frame.shape == held[-1].frame.shape]  # all, if scaled
        chosen = [
            next((kept for kept in held if kept.t_ns >= start_ns + place_ns), held[-1])
            for place_ns in self._places_ns
        ]
        chosen.append(held[-1])
        n_missing = len(chosen) - len({kept.t_ns for kept in chosen})
        meta = VisionMeta(chosen[-1].t_ns - chosen[0].t_ns)
        return Piece(np.stack([kept.frame for kept in chosen]), meta, n_missing)

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the newest frame, if it is not before ``after_ns``."""
        return _not_before(self._newest, after_ns)

    def forget(self, before_ns: int) -> None:
        """Drop frames that no window will hold."""
        while self._kept and self._kept[0].t_ns < before_ns:
            self._kept.popleft()

    def restart(self) -> None:
        """Forget all frames."""
        self._newest = self.first_ns = None
        self._kept.clear()

    def stats(self) -> dict[str, int]:
        """``resized``: frames that were cropped and resized."""
        return {"resized": self._resized}

    def _has_place(self, after_ns: int, until_ns: int) -> bool:
        """Whether a place of some window lies in (after, until]: windows end on the hop's grid."""
        shifts_ns = (self._length_ns - place_ns for place_ns in self._places_ns)
        return any(
            (until_ns + shift_ns) // self._hop_ns > (after_ns + shift_ns) // self._hop_ns
            for shift_ns in shifts_ns
        )

    def _fitted(self, sample: Sample) -> Frame:
        self._resized += 1
        return fitted(sample.data, self._form)


def _not_before(sample: Sample | None, after_ns: int) -> int | None:
    return sample.t_ns if sample is not None and sample.t_ns >= after_ns else None
