"""Windows of sound: chunks whose stamps jitter -> an unbroken signal.

Samples are counted, not stamped: a chunk follows the one before it. The count is anchored to
time, and the anchor follows the stamps slowly (the mean of the first 64 chunks, then 1/64 of
each one's error), so that jitter and drift of the device's clock never tear the signal. A chunk
that is off its place by more than half its length (10 ms at least, 50 ms at most; up to twice
that while the anchor is young) is believed: what is missing before it becomes zeros, counted in
``n_missing``; what it repeats is dropped. All that is reckoned in the sensor's own samples; sound
of another rate is made of it as one unbroken stream (``pipeline.audio_signal``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from bindstream.formats import Sound
from bindstream.types import Array, Sample
from pipeline.audio_signal import Signal
from pipeline.piece import Piece

JITTER_NS = 10_000_000
MAX_JITTER_NS = 50_000_000
"""Stamps may be off by half a chunk, within these bounds."""
SMOOTHING = 64
"""Chunks over which the anchor follows the stamps."""
SECOND_NS = 1_000_000_000


class AudioContent:
    """A ring of the newest samples and whether each was heard."""

    jitter_ns = JITTER_NS

    def __init__(self, form: Sound, rate_hz: int, hop_ns: int) -> None:
        self._rate = rate_hz
        self._samples = form.samples
        self._window = round(form.length_s * SECOND_NS) * rate_hz // SECOND_NS
        self._step = max(1, hop_ns * rate_hz // SECOND_NS)
        held = 2 * (self._samples + hop_ns * form.rate_hz // SECOND_NS + 1)
        self._signal = Signal(rate_hz, form.rate_hz, held)
        self._heard = np.zeros(2 * (self._window + self._step), np.bool_)
        self._count = 0  # samples since the anchor, silence filled in included
        self._chunks = 0  # chunks that the anchor has followed
        self._anchor_ns: int | None = None
        self._counts: Counter[str] = Counter()

    @property
    def first_ns(self) -> int | None:
        """When sample 0 was heard, as now believed."""
        return self._anchor_ns

    def accepts(self, data: Array) -> bool:
        """Whether the data is (n,) floating, n > 0."""
        return data.ndim == 1 and data.size > 0 and data.dtype.kind == "f"

    def take(self, sample: Sample) -> Iterator[int]:
        """Store a chunk where it belongs, a hop at a time."""
        chunk = np.asarray(sample.data, np.float32)
        place = self._place(sample.t_ns, len(chunk))
        if place > self._count:
            self._counts["gaps"] += 1
            yield from self._silence(place - self._count)
        overlap = min(self._count - place, len(chunk))
        self._counts["overlap"] += overlap
        for at in range(overlap, len(chunk), self._step):
            piece = chunk[at : at + self._step]
            self._write(piece, heard=True)
            yield self._known_ns()

    def cut(self, _start_ns: int, end_ns: int) -> Piece | None:
        """(samples,) float32 that ends at ``end_ns``; None if less than half was heard."""
        end = self._index(end_ns)
        if end - self._window < self._oldest():  # never, unless stamps went wild
            return None
        places = self._places(end - self._window, end)
        n_missing = self._window - int(np.count_nonzero(self._heard[places]))
        end_read = (end_ns - (self._anchor_ns or 0)) * self._signal.rate_hz // SECOND_NS
        data = self._signal.read(end_read, self._samples)
        if 2 * n_missing > self._window or data is None:
            return None
        return Piece(data, None, n_missing)

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the first sample heard, not before ``after_ns``."""
        first = max(self._index(after_ns), self._oldest())
        heard = np.flatnonzero(self._heard[self._places(first, self._count)])
        return self._time_ns(first + int(heard[0])) if len(heard) else None

    def forget(self, before_ns: int) -> None:
        """Nothing to do: the ring overwrites itself."""

    def restart(self) -> None:
        """Forget all; the next chunk sets the anchor."""
        self._anchor_ns = None
        self._count = self._chunks = 0
        self._signal.restart()
        self._heard[:] = False

    def stats(self) -> dict[str, int]:
        """``gaps`` filled with silence, ``overlap`` in samples heard twice and dropped."""
        return {"gaps": self._counts["gaps"], "overlap": self._counts["overlap"]}

    def _place(self, t_ns: int, n: int) -> int:
        """The index of a chunk's first sample; follows the stamp if it is near enough."""
        if self._anchor_ns is None:
            self._anchor_ns = t_ns
        error_ns = t_ns - self._time_ns(self._count)
        half_ns = n * SECOND_NS // self._rate // 2
        bound_ns = min(max(JITTER_NS, half_ns), MAX_JITTER_NS)
        followed = max(1, self._chunks)
        # the anchor is a mean of so many stamps, and itself off by that much
        if abs(error_ns) <= bound_ns * (1 + followed**-0.5):
            self._chunks = min(self._chunks + 1, SMOOTHING)
            self._anchor_ns += int(error_ns / self._chunks)
            return self._count
        return self._count + round(error_ns * self._rate / SECOND_NS)

    def _silence(self, n: int) -> Iterator[int]:
        """Fill ``n`` samples with zeros; beyond the ring only the count goes on."""
        written = min(n, len(self._heard))
        for at in range(0, written, self._step):
            self._write(np.zeros(min(self._step, written - at), np.float32), heard=False)
            yield self._known_ns()
        if n > written:
            self._count += n - written
            self._signal.restart(self._count)

    def _write(self, piece: Array, *, heard: bool) -> None:
        self._heard[self._places(self._count, self._count + len(piece))] = heard
        self._count += len(piece)
        self._signal.write(piece)

    def _known_ns(self) -> int:
        """Up to when the sound can be read."""
        return (self._anchor_ns or 0) + self._signal.count * SECOND_NS // self._signal.rate_hz

    def _places(self, first: int, end: int) -> Array:
        """Where in the ring the samples [first, end) are."""
        start = first % len(self._heard)
        return np.arange(start, start + max(0, end - first)) % len(self._heard)

    def _oldest(self) -> int:
        return max(0, self._count - len(self._heard))

    def _index(self, t_ns: int) -> int:
        return (t_ns - (self._anchor_ns or 0)) * self._rate // SECOND_NS

    def _time_ns(self, index: int) -> int:
        return (self._anchor_ns or 0) + index * SECOND_NS // self._rate
