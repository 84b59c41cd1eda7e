"""Samples -> windows, in event time. Pure: no clock, no sleep, no thread.

A windower puts the samples of one stream in order (``pipeline.windows.order``), lays windows on the
Unix grid of the hop (``grid``), and gives each window or hole its seq (``series``). What a window
holds is the matter of its modality: ``audio_window``, ``frame_window``, ``imu_window``.

A window is complete once a sample shows that time has passed its end: event time alone closes
windows, so a recording gives the same windows as the live run.
"""

from __future__ import annotations

from functools import partial

from bindstream.errors import ConfigError
from bindstream.formats import Map, Motion, Sound, WindowFormat, checked
from bindstream.types import Sample, Stamped
from pipeline.windows.content import Content
from pipeline.windows.grid import Grid
from pipeline.windows.hole import Outcome
from pipeline.windows.order import Order
from pipeline.windows.piece import Piece
from pipeline.windows.series import Series


class Windower:
    """One stream's samples in, its windows and holes out, in the order of seq.

    The first window is the first on the grid that lies wholly after the start of data. When
    the clock of the samples is set back, the grid starts over; seq goes on. ``of`` says whose
    windows they are, and the seq of the first.
    """

    def __init__(self, of: Stamped, content: Content, order: Order, grid: Grid) -> None:
        self.grid = grid
        self._content, self._order = content, order
        self._series = Series(of)
        self._invalid = 0
        self._next_end_ns: int | None = None
        self.known_ns: int | None = None
        """All windows that end by then were given; None before the first sample."""

    @property
    def seq(self) -> int:
        """Of the next window or hole."""
        return self._series.seq

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
        return [*outcomes, *self._series.end_hole()]

    def stats(self) -> dict[str, int]:
        """Counts since the start: samples, late, duplicate, backward, outlier, restart,
        invalid, cut, holes, and those of the modality."""
        own = {"invalid": self._invalid, "cut": self._series.cuts, "holes": self._series.holes}
        return self._order.stats() | own | self._content.stats()

    def _take(self, sample: Sample, arrival_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for known_until_ns in self._content.take(sample):
            outcomes += self._cut_until(known_until_ns, arrival_ns)
        return outcomes

    def _cut_until(self, known_until_ns: int, arrival_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        self.known_ns = known_until_ns
        end_ns = self._next_end()
        while end_ns is not None and end_ns <= known_until_ns:
            start_ns = end_ns - self.grid.length_ns
            piece = self._piece(start_ns, end_ns)
            if piece is None:
                next_ns = self._skip(end_ns, known_until_ns)
                self._series.widen_hole(start_ns, next_ns - self.grid.hop_ns)
            else:
                next_ns = end_ns + self.grid.hop_ns
                outcomes += self._series.windows(piece, start_ns, end_ns, arrival_ns)
            self._content.forget(next_ns - self.grid.length_ns)
            self._next_end_ns = end_ns = next_ns
        return outcomes

    def _next_end(self) -> int | None:
        first_ns = self._content.first_ns
        if self._next_end_ns is None and first_ns is not None:
            self._next_end_ns = self.grid.first_end_ns(first_ns)
        return self._next_end_ns

    def _piece(self, start_ns: int, end_ns: int) -> Piece | None:
        first_ns = self._content.first_ns
        if not self._series.began and (first_ns is None or start_ns < first_ns):
            return None  # the start of data has moved, as stamps were smoothed
        return self._content.cut(start_ns, end_ns)

    def _skip(self, end_ns: int, known_until_ns: int) -> int:
        """The end of the next window that may hold data, however long the outage was."""
        next_ns = end_ns + self.grid.hop_ns
        data_ns = self._content.next_ns(next_ns - self.grid.length_ns)
        until_ns = known_until_ns if data_ns is None else min(data_ns, known_until_ns)
        return max(next_ns, self.grid.end_after_ns(until_ns))

    def _restart(self) -> list[Outcome]:
        self._content.restart()
        self._next_end_ns = None
        return self._series.restart()


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
    grid = Grid(round(length_s * 1e9), round(hop_s * 1e9))
    if grid.length_ns <= 0 or grid.hop_ns <= 0 or rate_hz <= 0 or lateness_s < 0:
        raise ConfigError(
            f"{of.modality} window: length_s, hop_s and rate_hz must be above 0 and lateness_s not "
            f"below, got {length_s}, {hop_s}, {rate_hz}, {lateness_s}"
        )
    content = _content(form, grid, rate_hz)
    period_ns = round(1e9 / rate_hz)
    order = Order(period_ns, lateness_ns=round(lateness_s * 1e9), slack_ns=content.jitter_ns)
    return Windower(of, content, order, grid)


def length_of(form: WindowFormat, hop_s: float) -> float:
    """Seconds that a window stands for; of one frame without a length, the hop."""
    return hop_s if form.length_s is None else float(form.length_s)


def _content(form: WindowFormat, grid: Grid, rate_hz: float) -> Content:
    if isinstance(form, Sound):
        from pipeline.windows.audio_window import AudioContent

        return AudioContent(form, round(rate_hz), grid.hop_ns)
    if isinstance(form, Motion):
        from pipeline.windows.imu_window import ImuContent

        return ImuContent(form, rate_hz)
    from pipeline.windows import frame_window  # needs OpenCV

    if isinstance(form, Map):
        make_map = partial(frame_window.newest_map, form=form)
        return frame_window.NewestFrame(frame_window.is_map, make_map)
    if form.frames == 1:
        make_still = partial(frame_window.still_picture, form=form)
        return frame_window.NewestFrame(frame_window.is_picture, make_still)
    return frame_window.StackContent(form, grid.length_ns, grid.hop_ns)
