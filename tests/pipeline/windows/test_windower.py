"""What all windowers share: the grid, seq, holes, clock steps, refusals."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bindstream.errors import ConfigError, InvalidInput
from bindstream.formats import Map
from bindstream.types import Modality, Window
from pipeline.windows.hole import Hole, Outcome
from pipeline.windows.windower import Windower, make_windower
from tests.pipeline.messages import of
from tests.pipeline.windows.oracle import ARRIVAL_NS, MS, T0, sample

HOP_NS = 500 * MS


def _thermal(**options: float) -> Windower:
    given = {"hop_s": 0.5, "rate_hz": 10.0} | options
    return make_windower(of(Modality.THERMAL), Map(), **given)  # type: ignore[arg-type]


def _push(windower: Windower, times: list[int]) -> list[Outcome]:
    frame = np.full((2, 3), 300, np.float32)
    return [o for t_ns in times for o in windower.push(sample(t_ns, frame))]


def _steady(start_ns: int, n: int, period_ms: int = 100) -> list[int]:
    return [start_ns + k * period_ms * MS for k in range(n)]


def test_first_window_starts_at_or_after_the_first_sample() -> None:
    """Breaks if a window claims time before the stream was there."""
    cuts = _push(_thermal(), _steady(T0 + 130 * MS, 30))
    assert cuts[0].start_ns == T0 + HOP_NS
    assert _push(_thermal(), _steady(T0, 30))[0].start_ns == T0


def test_captured_is_the_arrival_of_the_completing_sample() -> None:
    """Breaks if the overhead of a window cannot be told from waiting for its data."""
    cuts = _push(_thermal(), _steady(T0 + 30 * MS, 30))
    assert all(
        isinstance(c, Window) and c.captured_ns == c.end_ns + 30 * MS + ARRIVAL_NS for c in cuts
    )


def test_an_outage_is_one_hole_between_its_neighbours() -> None:
    """Breaks if an outage becomes many holes, none, or takes the wrong seq."""
    times = _steady(T0, 20) + _steady(T0 + 60_000 * MS, 20)
    got = _push(_thermal(), times)
    assert [o.seq for o in got] == list(range(len(got)))
    (hole,) = [o for o in got if isinstance(o, Hole)]
    before, after = got[hole.seq - 1], got[hole.seq + 1]
    assert (hole.start_ns, hole.end_ns) == (before.end_ns, after.start_ns)
    assert (hole.end_ns - hole.start_ns) == 58_000 * MS


def test_a_hole_still_growing_is_told_by_flush() -> None:
    """Breaks if a stream that dies in an outage never says so."""
    windower = _thermal()
    assert len(_push(windower, _steady(T0, 20))) == 3
    assert len(_push(windower, [T0 + 4100 * MS])) == 1  # the window that was still open
    (hole,) = windower.flush()
    assert isinstance(hole, Hole)
    assert (hole.seq, hole.start_ns, hole.end_ns) == (4, T0 + 2000 * MS, T0 + 4000 * MS)
    assert windower.flush() == []
    assert windower.stats()["holes"] == 1


def test_a_jump_of_a_century_takes_no_time() -> None:
    """Breaks if the windower walks through an outage window by window."""
    windower = _thermal()
    began = time.process_time()
    got = _push(windower, _steady(T0, 20) + _steady(T0 + 3 * 10**18, 20))
    assert time.process_time() - began < 1.0  # walking would take hours
    assert sum(isinstance(o, Hole) for o in got) == 1
    assert isinstance(got[-1], Window)


def test_a_wild_first_stamp_is_no_outage() -> None:
    """Breaks if a stream whose first stamp was 0 begins with a hole of half a century."""
    got = _push(_thermal(), [0, *_steady(T0, 20)])
    assert got
    assert all(isinstance(o, Window) for o in got)
    assert got[0].start_ns >= T0


def test_a_clock_set_back_starts_the_grid_over() -> None:
    """Breaks if the stream stays silent until the old time is reached again, or seq restarts."""
    windower = _thermal()
    got = _push(windower, _steady(T0, 20) + _steady(T0 - 3_600_000 * MS, 20))
    assert [o.seq for o in got] == list(range(len(got)))
    assert got[-1].end_ns == T0 - 3_600_000 * MS + 1500 * MS
    assert windower.stats()["restart"] == 1


def test_bad_samples_are_counted_and_harm_nobody() -> None:
    """Breaks if one frame of a wrong shape or type ends the stream."""
    windower = _thermal()
    times = _steady(T0, 20)
    for bad in (np.zeros((2, 3), np.uint8), np.zeros(4, np.float32), np.zeros((0, 3), np.float32)):
        assert windower.push(sample(times[0], bad)) == []
    assert len(_push(windower, times)) == 3
    assert windower.stats()["invalid"] == 3


def test_depth_and_thermal_take_one_hop_whatever_the_length() -> None:
    """Breaks if an old frame is given again as if it were new."""
    got = _push(_thermal(), _steady(T0, 20))
    assert all(o.end_ns - o.start_ns == HOP_NS for o in got)


@pytest.mark.parametrize(
    "options",
    [{"hop_s": 0.0}, {"hop_s": -1.0}, {"rate_hz": 0.0}, {"lateness_s": -0.1}],
)
def test_a_window_that_cannot_be_is_refused(options: dict[str, float]) -> None:
    """Breaks if nonsense is taken and divides by zero later."""
    with pytest.raises(ConfigError, match="must be above 0"):
        _thermal(**options)


def test_a_format_of_another_modality_is_refused() -> None:
    """Breaks if a modality without a sensor gets a silent stream, or sound is cut into frames."""
    with pytest.raises(InvalidInput, match="no sensor"):
        make_windower(of(Modality.TEXT), Map(), hop_s=1, rate_hz=1)
    with pytest.raises(InvalidInput, match="vision: its windows are Frames, got Map"):
        make_windower(of(Modality.VISION), Map(), hop_s=1, rate_hz=1)


def test_a_windower_goes_on_where_another_stopped() -> None:
    """Breaks if a change of format begins at seq 0 again: every reader would drop it as old."""
    before = _thermal()
    _push(before, _steady(T0, 20))
    after = make_windower(of(Modality.THERMAL, before.seq), Map(), hop_s=0.5, rate_hz=10.0)
    assert [c.seq for c in _push(after, _steady(T0 + 2000 * MS, 20))] == [3, 4, 5]
