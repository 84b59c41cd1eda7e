"""What windows should come of a list of samples: the slow, obvious way, all samples at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from bindstream.types import Meta, Sample, Window
from pipeline.windows.hole import Hole, Outcome

MS = 1_000_000
T0 = 1_700_000_000 * 10**9
ARRIVAL_NS = 7 * MS
"""How much after its stamp every sample of these tests arrives."""


def sample(t_ns: int, data: Any, meta: Meta = None) -> Sample:
    """A sample that arrived a little later."""
    return Sample("s", t_ns, np.asarray(data), t_ns + ARRIVAL_NS, meta)


@st.composite
def schedules(
    draw: st.DrawFn, usual_ms: int = 60, longest_gap_ms: int = 4000, fewest: int = 1
) -> list[int]:
    """Stamps as the field gives them: jitter, gaps, duplicates, stamps out of order; often on
    the very edges of windows."""
    grain_ms = draw(st.sampled_from([1, 50]))
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["next"] * 12 + ["gap", "duplicate", "back"]),
                st.integers(1, 2 * usual_ms),
                st.floats(0, 1),
            ),
            min_size=fewest,
            max_size=fewest + 120,
        )
    )
    newest = T0 + draw(st.integers(0, 3000)) // grain_ms * grain_ms * MS
    times = [newest]
    for kind, step_ms, part in steps:
        if kind == "duplicate":
            times.append(times[-1])
        elif kind == "back":
            times.append(newest - _whole(1 + part * 898, grain_ms) * MS)
        else:
            gap_ms = round(part * longest_gap_ms) if kind == "gap" else 0
            newest += _whole(step_ms + gap_ms, grain_ms) * MS
            times.append(newest)
    return times


def _whole(ms: float, grain_ms: int) -> int:
    return max(1, round(ms / grain_ms)) * grain_ms


def in_order(times: list[int], lateness_ns: int = 0) -> list[int]:
    """Indices of the samples that count, in the order of their time."""
    newest, taken = times[0], {}
    for index, t_ns in enumerate(times):
        if t_ns not in taken and t_ns >= newest - lateness_ns:
            taken[t_ns] = index
        newest = max(newest, t_ns)
    return [taken[t_ns] for t_ns in sorted(taken)]


def outcomes(
    times: list[int],
    length_ns: int,
    hop_ns: int,
    content: Callable[[int, int], tuple[Any, int] | None],
    known_until_ns: int | None = None,
) -> list[tuple[Any, ...]]:
    """Every window of the grid from the first sample to the last, and what it should be.

    ``content(start, end)`` gives (data, n_missing) or None; None in a row is one hole, but
    not before the first window.
    """
    until_ns = times[-1] if known_until_ns is None else known_until_ns
    expected: list[tuple[Any, ...]] = []
    hole: tuple[int, int] | None = None
    end_ns = -(-(times[0] + length_ns) // hop_ns) * hop_ns
    while end_ns <= until_ns:
        start_ns = end_ns - length_ns
        found = content(start_ns, end_ns)
        if found is not None:
            if hole:
                expected.append(("hole", len(expected), *hole))
                hole = None
            expected.append(("cut", len(expected), start_ns, end_ns, *found))
        elif expected:
            hole = (hole[0] if hole else start_ns, end_ns)
        end_ns += hop_ns
    if hole:
        expected.append(("hole", len(expected), *hole))
    return expected


def plain(got: list[Outcome], data: Callable[[Window], Any]) -> list[tuple[Any, ...]]:
    """Outcomes of a windower in the oracle's form."""
    rows: list[tuple[Any, ...]] = []
    for o in got:
        if isinstance(o, Hole):
            rows.append(("hole", o.seq, o.start_ns, o.end_ns))
        else:
            rows.append(("cut", o.seq, o.start_ns, o.end_ns, data(o), o.n_missing))
    return rows
