"""Samples -> windows, in event time. Pure: no clock, no sleep, no thread.

A windower puts the samples of one stream in order (``pipeline.order``), lays windows on the
Unix grid of the hop, and gives each window or hole its seq. What a window holds is the matter
of its modality: ``audio_window``, ``frame_window``, ``imu_window``.

A window is complete once a sample shows that time has passed its end: event time alone closes
windows, so a recording gives the same windows as the live run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol, TypeAlias

from bindstream.errors import ConfigError
from bindstream.formats import Map, Motion, Sound, WindowFormat, checked
from bindstream.types import Array, Sample, Stamped, Window
from pipeline.order import Order
from pipeline.piece import Piece


class Hole(Stamped, frozen=True, kw_only=True):
    """A stretch without usable data: [start_ns, end_ns) covers all windows that were not cut.

    A whole outage is one Hole with one seq, told when the stream is back (or flushed), to be
    published as a tombstone ``sensor_gap`` (``paused`` where the shell knows better).
    """


Outcome: TypeAlias = Window | Hole


class Content(Protocol):
    """The samples of one modality, and how a window is made of them.

    ``first_ns``: time of the first sample since the start (or restart); None before it.
    ``jitter_ns``: stamps that step back by no more are not out of order.
    """

    jitter_ns: int

    @property
    def first_ns(self) -> int | None: ...

    def accepts(self, data: Array) -> bool:
        """Whether the data is what ``Sample`` promises for this modality."""

    def take(self, sample: Sample) -> Iterator[int]:
        """Store a sample, in steps; after each say up to when (exclusive) all is known, so
        that windows are cut before more is stored."""

    def cut(self, start_ns: int, end_ns: int) -> Piece | None:
        """The content of [start_ns, end_ns); None where it holds too little."""

    def next_ns(self, after_ns: int) -> int | None:
        """Time of the earliest stored sample not before ``after_ns``."""

    def forget(self, before_ns: int) -> None:
        """No window will start before that any more."""

    def restart(self) -> None:
        """Forget all samples."""

    def stats(self) -> dict[str, int]:
        """Counts of its own."""


class Windower:
    """One stream's samples in, its windows and holes out, in the order of seq.

    The first window is the first on the grid that lies wholly after the start of data. When
    the clock of the samples is set back, the grid starts over; seq goes on. ``of`` says whose
    windows they are, and the seq of the first.
    """

    def __init__(
        self, of: Stamped, content: Content, order: Order, length_ns: int, hop_ns: int
    ) -> None:
        self.length_ns, self.hop_ns = length_ns, hop_ns
        self._of, self._content, self._order = of, content, order
        self._seq = of.seq
        self._cuts = self._holes = self._invalid = 0
        self._next_end_ns: int | None = None
        self._began = False
        self._hole: tuple[int, int] | None = None

    @property
    def seq(self) -> int:
        """Of the next window or hole."""
        return self._seq

    def push(self, sample: Sample) -> list[Outcome]:
        """Take one sample; return what it completed, in the order of seq. Never raises for
        what a sensor may send: bad samples are counted."""
        if not self._content.accepts(sample.data):
            self._invalid += 1
            return []
        outcomes: list[Outcome] = []
        for item in self._order.push(sample):
            if item is None:
                outcomes += self._restart()
            else:
                outcomes += self._take(item, sample.arrival_ns)
        return outcomes

    def flush(self) -> list[Outcome]:
        """What is held back for lateness, and the hole that is still growing: call it when the
        stream ends. Incomplete windows are not cut. Pushing may go on."""
        outcomes: list[Outcome] = []
        for item in self._order.flush():
            if item is not None:
                outcomes += self._take(item, item.arrival_ns)
        return outcomes + self._end_hole()

    def stats(self) -> dict[str, int]:
        """Counts since the start: samples, late, duplicate, backward, outlier, restart,
        invalid, cut, holes, and those of the modality."""
        own = {"invalid": self._invalid, "cut": self._cuts, "holes": self._holes}
        return self._order.stats() | own | self._content.stats()

    def _take(self, sample: Sample, arrival_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for known_until_ns in self._content.take(sample):
            outcomes += self._cut_until(known_until_ns, arrival_ns)
        return outcomes

    def _cut_until(self, known_until_ns: int, arrival_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        end_ns = self._next_end()
        while end_ns is not None and end_ns <= known_until_ns:
            start_ns = end_ns - self.length_ns
            piece = self._piece(start_ns, end_ns)
            if piece is None:
                next_ns = self._skip(end_ns, known_until_ns)
                self._widen_hole(start_ns, next_ns - self.hop_ns)
            else:
                next_ns = end_ns + self.hop_ns
                outcomes += [*self._end_hole(), self._cut(piece, start_ns, end_ns, arrival_ns)]
            self._content.forget(next_ns - self.length_ns)
            self._next_end_ns = end_ns = next_ns
        return outcomes

    def _next_end(self) -> int | None:
        first_ns = self._content.first_ns
        if self._next_end_ns is None and first_ns is not None:
            self._next_end_ns = -(-(first_ns + self.length_ns) // self.hop_ns) * self.hop_ns
        return self._next_end_ns

    def _piece(self, start_ns: int, end_ns: int) -> Piece | None:
        first_ns = self._content.first_ns
        if not self._began and (first_ns is None or start_ns < first_ns):
            return None  # the start of data has moved, as stamps were smoothed
        return self._content.cut(start_ns, end_ns)

    def _skip(self, end_ns: int, known_until_ns: int) -> int:
        """The end of the next window that may hold data, however long the outage was."""
        data_ns = self._content.next_ns(end_ns + self.hop_ns - self.length_ns)
        until_ns = known_until_ns if data_ns is None else min(data_ns, known_until_ns)
        return max(end_ns + self.hop_ns, (until_ns // self.hop_ns + 1) * self.hop_ns)

    def _cut(self, piece: Piece, start_ns: int, end_ns: int, arrival_ns: int) -> Window:
        self._began = True
        self._cuts += 1
        return Window(
            **self._stamp(start_ns, end_ns),
            data=piece.data,
            meta=piece.meta,
            n_missing=piece.n_missing,
            captured_ns=arrival_ns,
        )

    def _stamp(self, start_ns: int, end_ns: int) -> dict[str, Any]:
        """Of the next window or hole."""
        self._seq += 1
        place = {"seq": self._seq - 1, "start_ns": start_ns, "end_ns": end_ns}
        return self._of.stamp() | place

    def _widen_hole(self, start_ns: int, end_ns: int) -> None:
        if self._began:  # before the first window it is start-up, not an outage
            self._hole = (self._hole[0] if self._hole else start_ns, end_ns)

    def _end_hole(self) -> list[Outcome]:
        if self._hole is None:
            return []
        (start_ns, end_ns), self._hole = self._hole, None
        self._holes += 1
        return [Hole(**self._stamp(start_ns, end_ns))]

    def _restart(self) -> list[Outcome]:
        self._content.restart()
        self._next_end_ns = None
        self._began = False
        return self._end_hole()


def make_windower(
    of: Stamped, form: WindowFormat, *, hop_s: float, rate_hz: float, lateness_s: float = 0.0
) -> Windower:
    """The windower of a stream, for the windows that its encoder wants.

    ``of``: whose windows they are, and the seq of the first; its times say nothing.

    ``rate_hz``: of the samples (frames, IMU readings, sound). ``lateness_s``: how long samples may
    be overtaken; 0 for local drivers. Raises ConfigError, and InvalidInput for a format that is
    not of the modality.
    """
    length_s = length_of(checked(of.modality, form), hop_s)
    length_ns, hop_ns = round(length_s * 1e9), round(hop_s * 1e9)
    if length_ns <= 0 or hop_ns <= 0 or rate_hz <= 0 or lateness_s < 0:
        raise ConfigError(
            f"{of.modality} window: length_s, hop_s and rate_hz must be above 0 and lateness_s not "
            f"below, got {length_s}, {hop_s}, {rate_hz}, {lateness_s}"
        )
    content = _content(form, length_ns, hop_ns, rate_hz)
    period_ns = round(1e9 / rate_hz)
    order = Order(period_ns, lateness_ns=round(lateness_s * 1e9), slack_ns=content.jitter_ns)
    return Windower(of, content, order, length_ns, hop_ns)


def length_of(form: WindowFormat, hop_s: float) -> float:
    """Seconds that a window stands for; of one frame without a length, the hop."""
    return hop_s if form.length_s is None else float(form.length_s)


def _content(form: WindowFormat, length_ns: int, hop_ns: int, rate_hz: float) -> Content:
    if isinstance(form, Sound):
        from pipeline.audio_window import AudioContent

        return AudioContent(form, round(rate_hz), hop_ns)
    if isinstance(form, Motion):
        from pipeline.imu_window import ImuContent

        return ImuContent(form, rate_hz)
    from pipeline import frame_window  # needs OpenCV

    if isinstance(form, Map):
        make_map = partial(frame_window.newest_map, form=form)
        return frame_window.NewestFrame(frame_window.is_map, make_map)
    if form.frames == 1:
        make_still = partial(frame_window.still_picture, form=form)
        return frame_window.NewestFrame(frame_window.is_picture, make_still)
    return frame_window.StackContent(form, length_ns, hop_ns)
