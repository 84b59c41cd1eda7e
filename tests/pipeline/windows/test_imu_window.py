"""Windows of inertial data: interpolation, statistics, missing readings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.formats import Motion
from bindstream.types import ImuMeta, Modality, Window
from pipeline.windows.hole import Hole, Outcome
from pipeline.windows.imu_statistics import STD_FLOOR
from pipeline.windows.windower import Windower, make_windower
from tests.pipeline.messages import of
from tests.pipeline.windows.oracle import MS, T0, in_order, outcomes, plain, sample, schedules

STEPS = 2000
STEPS_CHECKED = (0, 1, 7, 600, 1234, 1998, 1999)


def _windower(length_s: float = 1.0, hop_s: float = 0.5, rate_hz: float = 30.0) -> Windower:
    form = Motion(length_s=length_s, steps=STEPS)
    return make_windower(of(Modality.IMU), form, hop_s=hop_s, rate_hz=rate_hz)


def _reading(number: int) -> Any:
    rng = np.random.default_rng(number)
    return rng.normal([0, 0, 9.81, 0, 0, 0], 3).astype(np.float32)


def _naive(x_ns: int, known: list[tuple[int, Any]]) -> Any:
    """The value at a time, between its two neighbours."""
    before = [(t, v) for t, v in known if t <= x_ns]
    after = [(t, v) for t, v in known if t > x_ns]
    if not before or not after:
        return (before or after)[-1 if before else 0][1]
    (t0, v0), (t1, v1) = before[-1], after[0]
    part = (x_ns - t0) / (t1 - t0)
    return v0 * (1 - part) + v1 * part


@settings(deadline=None, max_examples=50)
@given(
    schedules(usual_ms=30, fewest=80),
    st.sampled_from([(1000, 500), (600, 600), (300, 700), (2000, 400)]),
)
def test_against_the_obvious_way(times: list[int], length_hop_ms: tuple[int, int]) -> None:
    """Breaks if a step is interpolated between the wrong readings, or readings miscounted."""
    length_ms, hop_ms = length_hop_ms
    rate_hz = 30.0
    windower = _windower(length_ms / 1e3, hop_ms / 1e3, rate_hz)
    got: list[Outcome] = []
    for n, t_ns in enumerate(times):
        got += windower.push(sample(t_ns, _reading(n)))
    got += windower.flush()
    readings = [(times[n], _reading(n)) for n in in_order(times)]
    expected_n = round(rate_hz * length_ms / 1e3)

    def content(start_ns: int, end_ns: int) -> tuple[Any, int] | None:
        inside = sum(start_ns <= t < end_ns for t, _ in readings)
        if 2 * inside < expected_n:
            return None
        step_ns = length_ms * MS // STEPS  # whole: a float cannot hold Unix ns
        rows = [_naive(start_ns + k * step_ns, readings) for k in STEPS_CHECKED]
        seen = np.array([v for t, v in readings if t < end_ns], np.float64)
        spread = np.maximum(seen.std(axis=0), STD_FLOOR)
        row = np.concatenate([*rows, seen.mean(axis=0), spread])
        return pytest.approx(row.tolist(), rel=1e-4, abs=1e-4), max(0, expected_n - inside)

    def data(cut: Window) -> Any:
        assert isinstance(cut.meta, ImuMeta)
        rows = [cut.data[:, k] for k in STEPS_CHECKED]
        return np.concatenate([*rows, cut.meta.mean, cut.meta.std]).tolist()

    stamps = [t for t, _ in readings]
    assert plain(got, data) == outcomes(stamps, length_ms * MS, hop_ms * MS, content)


def test_as_shipped_five_seconds_every_second_at_200_hz() -> None:
    """Breaks if the window is not (6, 2000) float32, or the resampling is off in time."""
    windower = _windower(5.0, 1.0, 200.0)
    got: list[Outcome] = []
    for n in range(200 * 8):
        t_ns = T0 + n * 5 * MS
        row = np.full(6, np.sin(n * 0.005 * 2 * np.pi), np.float32)
        got += windower.push(sample(t_ns, row))
    assert len(got) == 3
    for k, o in enumerate(got):
        assert isinstance(o, Window)
        assert o.data.shape == (6, STEPS)
        assert o.data.dtype == np.float32
        assert isinstance(o.meta, ImuMeta)
        assert o.meta.rate_hz == 400.0
        at = np.arange(STEPS) / 400 + k
        assert np.abs(o.data[2] - np.sin(at * 2 * np.pi)).max() < 2e-3
        assert o.n_missing == 0


def test_a_rate_twice_the_declared_fits() -> None:
    """Breaks if the arrays overflow when a device is faster than declared."""
    windower = _windower(2.0, 1.0, 50.0)
    got: list[Outcome] = []
    for n in range(4000):
        got += windower.push(sample(T0 + n * 2 * MS, np.full(6, n % 50, np.float32)))
    assert len(got) == 6
    assert all(isinstance(o, Window) and o.n_missing == 0 for o in got)


def test_less_than_half_of_the_readings_is_a_hole() -> None:
    """Breaks if a window is made up from a few readings."""
    windower = _windower()
    times = [T0 + n * 33 * MS for n in range(60)] + [T0 + (2000 + n * 100) * MS for n in range(30)]
    times += [T0 + (5000 + n * 33) * MS for n in range(60)]
    got = [o for n, t in enumerate(times) for o in windower.push(sample(t, _reading(n)))]
    assert [type(o) for o in got].count(Hole) == 1
    hole = next(o for o in got if isinstance(o, Hole))
    assert (hole.start_ns, hole.end_ns) == (T0 + 2000 * MS, T0 + 5000 * MS)


def test_nan_passes_through_and_spares_the_statistics() -> None:
    """Breaks if one bad reading poisons the mean for ever, or is hidden from the encoder."""
    windower = _windower()
    got: list[Outcome] = []
    for n in range(120):
        row = np.full(6, np.nan if n == 45 else 1.0, np.float32)
        got += windower.push(sample(T0 + n * 33 * MS, row))
    cuts = [o for o in got if isinstance(o, Window)]
    assert any(np.isnan(c.data).any() for c in cuts)
    assert not np.isnan(cuts[-1].data).any()
    assert isinstance(cuts[-1].meta, ImuMeta)
    assert cuts[-1].meta.mean == (1.0,) * 6


def test_one_impossible_reading_is_refused_and_spoils_nothing() -> None:
    """Breaks if one reading of 1e8 bends the mean and the deviation for an hour."""
    windower = _windower()
    got: list[Outcome] = []
    for n in range(200):
        row = np.full(6, 1e8 if n == 45 else 1.0 + n % 2, np.float32)
        got += windower.push(sample(T0 + n * 33 * MS, row))
    last = got[-1]
    assert isinstance(last, Window)
    assert isinstance(last.meta, ImuMeta)
    assert last.meta.mean[0] == pytest.approx(1.5, abs=0.02)
    assert max(last.meta.std) < 1
    assert windower.stats()["invalid"] == 1


@pytest.mark.parametrize("true_hz", [95.0, 100.0, 106.0])
@pytest.mark.parametrize("lost", [0, 1, 2, 7])
def test_lost_readings_are_counted_whatever_the_device_s_own_rate(
    true_hz: float, lost: int
) -> None:
    """Breaks if a device 5 % off its nominal rate always or never lacks something."""
    windower = _windower(2.0, 1.0, 100.0)
    got: list[Outcome] = []
    for n in range(1000):
        if not 500 <= n < 500 + lost:
            t_ns = T0 + round((n + 0.4) * 1e9 / true_hz)
            got += windower.push(sample(t_ns, np.full(6, n % 7, np.float32)))
    missing = [o.n_missing for o in got if isinstance(o, Window)]
    assert missing.count(lost) == (len(missing) if lost == 0 else 2)
    assert set(missing) == {0, lost}


def test_statistics_survive_a_clock_step() -> None:
    """Breaks if a clock step makes the front end see the sensor anew."""
    windower = _windower()
    got: list[Outcome] = []
    for n in range(60):
        got += windower.push(sample(T0 + n * 33 * MS, np.full(6, 5.0, np.float32)))
    for n in range(60):
        got += windower.push(sample(T0 - 10**13 + n * 33 * MS, np.full(6, 7.0, np.float32)))
    last = got[-1]
    assert isinstance(last, Window)
    assert isinstance(last.meta, ImuMeta)
    assert 5.0 < last.meta.mean[0] < 7.0


def test_readings_as_they_came() -> None:
    """Breaks if a model that wants native readings gets interpolated ones."""
    form = Motion(length_s=1.0)
    windower = make_windower(of(Modality.IMU), form, hop_s=0.5, rate_hz=30.0)
    readings = [_reading(n) for n in range(90)]
    cuts = [c for n, r in enumerate(readings) for c in windower.push(sample(T0 + n * 33 * MS, r))]
    assert isinstance(cuts[0], Window)
    assert np.array_equal(cuts[0].data, np.stack(readings[:31]).T)
    assert isinstance(cuts[0].meta, ImuMeta)
    assert cuts[0].meta.rate_hz == 31.0
