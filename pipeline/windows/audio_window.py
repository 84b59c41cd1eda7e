"""Windows of sound: chunks whose stamps jitter -> an unbroken signal.

Samples are counted, not stamped: a chunk follows the one before it, as long as its stamp allows
(``audio_anchor``). What is missing before a chunk becomes zeros, counted in ``n_missing``; what it
repeats is dropped. All that is reckoned in the sensor's own samples; sound of another rate is made
of it as one unbroken stream (``pipeline.windows.audio_signal``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from bindstream.formats import Sound
from bindstream.types import Array, Sample
from pipeline.windows.audio_anchor import JITTER_NS, SECOND_NS, Anchor
from pipeline.windows.audio_signal import Signal
from pipeline.windows.heard import Heard
from pipeline.windows.piece import Piece


class AudioContent:
    """The newest sound, when it was heard, and whether it was."""

    jitter_ns = JITTER_NS

    def __init__(self, form: Sound, rate_hz: int, hop_ns: int) -> None:
        self._samples = form.samples
        self._window = round(form.length_s * SECOND_NS) * rate_hz // SECOND_NS
        self._step = max(1, hop_ns * rate_hz // SECOND_NS)
        held = 2 * (self._samples + hop_ns * form.rate_hz // SECOND_NS + 1)
        self._signal = Signal(rate_hz, form.rate_hz, held)
        self._heard = Heard(2 * (self._window + self._step))
        self._anchor = Anchor(rate_hz)
        self._counts: Counter[str] = Counter()

    @property
    def first_ns(self) -> int | None:
        """When sample 0 was heard, as now believed."""
        return self._anchor.t_ns

    def accepts(self, data: Array) -> bool:
        """Whether the data is (n,) floating, n > 0."""
        return data.ndim == 1 and data.size > 0 and data.dtype.kind == "f"

    def take(self, sample: Sample) -> Iterator[int]:
        """Store a chunk where it belongs, a hop at a time."""
        chunk = np.asarray(sample.data, np.float32)
        place = self._anchor.place(sample.t_ns, len(chunk), self._heard.count)
        if place > self._heard.count:
            self._counts["gaps"] += 1
            yield from self._silence(place - self._heard.count)
        overlap = min(self._heard.count - place, len(chunk))
        self._counts["overlap"] += overlap
        for at in range(overlap, len(chunk), self._step):
            piece = chunk[at : at + self._step]
            self._write(piece, heard=True)
            yield self._known_ns()

    def cut(self, _start_ns: int, end_ns: int) -> Piece | None:
        """(samples,) float32 that ends at ``end_ns``; None if less than half was heard."""
        end = self._anchor.index(end_ns)
        n_missing = self._heard.missing(end - self._window, end)
        if n_missing is None:  # never, unless stamps went wild
            return None
        end_read = (end_ns - (self._anchor.t_ns or 0)) * self._signal.rate_hz // SECOND_NS
        data = self._signal.read(end_read, self._samples)
        if 2 * n_missing > self._window or data is None:
            return None
        return Piece(data, None, n_missing)

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the first sample heard, not before ``after_ns``."""
        first = self._heard.first_from(self._anchor.index(after_ns))
        return None if first is None else self._anchor.time_ns(first)

    def forget(self, before_ns: int) -> None:
        """Nothing to do: the rings overwrite themselves."""

    def restart(self) -> None:
        """Forget all; the next chunk sets the anchor."""
        self._anchor.restart()
        self._heard.clear()
        self._signal.restart()

    def stats(self) -> dict[str, int]:
        """``gaps`` filled with silence, ``overlap`` in samples heard twice and dropped."""
        return {"gaps": self._counts["gaps"], "overlap": self._counts["overlap"]}

    def _silence(self, n: int) -> Iterator[int]:
        """Fill ``n`` samples with zeros; beyond the ring only the count goes on."""
        written = min(n, self._heard.held)
        for at in range(0, written, self._step):
            self._write(np.zeros(min(self._step, written - at), np.float32), heard=False)
            yield self._known_ns()
        if n > written:
            self._heard.skip(n - written)
            self._signal.restart(self._heard.count)

    def _write(self, piece: Array, *, heard: bool) -> None:
        self._heard.add(len(piece), heard=heard)
        self._signal.write(piece)

    def _known_ns(self) -> int:
        """Up to when the sound can be read."""
        return (self._anchor.t_ns or 0) + self._signal.count * SECOND_NS // self._signal.rate_hz
