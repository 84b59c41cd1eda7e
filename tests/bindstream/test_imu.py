"""What an IMU's numbers may be: gravity tells of units, counts and columns."""

from __future__ import annotations

import numpy as np
import pytest

from bindstream import imu
from bindstream.errors import InvalidInput

G = imu.G


def moving(n: int = 500) -> np.ndarray:
    """A robot that drives about, m/s2 and rad/s."""
    signal = np.random.default_rng(4).normal(0, 0.4, (6, n))
    signal[2] += G
    return signal


@pytest.mark.parametrize(
    ("of", "likely"),
    [
        (lambda s: s / G, "seems to give g"),
        (lambda s: s / G * 1000, "seems to give mg"),
        (lambda s: s / G * 16384, "raw counts, 16384 per g"),
        (lambda s: s[[3, 4, 5, 0, 1, 2]], "gyroscope's columns seem to come first"),
        (lambda s: s - np.array([0, 0, G, 0, 0, 0])[:, None], "gravity seems to be taken off"),
        (lambda s: s * 1e9, "unit or the order"),
        (lambda s: s + np.array([0, 0, 0, 90, 0, 0])[:, None], "seems to give deg/s"),
        (lambda s: s * np.array([1, 1, 1, 1e6, 1, 1])[:, None], "seems to give mdeg/s"),
    ],
)
def test_an_impossible_signal_is_doubted_with_its_likely_cause(of, likely):
    """Breaks if a wrong unit, raw counts or swapped columns pass as motion."""
    assert imu.doubt(moving()) is None
    assert likely in str(imu.doubt(of(moving())))


def test_a_unit_that_was_declared_wrongly_is_named():
    """Breaks if m/s2 declared as g (gravity of 96 m/s2) goes unexplained."""
    doubt = imu.doubt(moving() * G, "g")
    assert doubt is not None
    assert (doubt.unit, doubt.scale) == ("m/s2", 1.0)
    assert "gravity would be 96" in str(doubt)


def test_a_doubted_unit_is_one_that_can_be_declared():
    """Breaks if the advice names a unit that ``si`` then refuses, or that does not mend it."""
    for wrong in ("g", "mg"):
        raw = moving() * np.array([1 / imu.ACCEL_UNITS[wrong]] * 3 + [1] * 3)[:, None]
        advised = imu.doubt(raw)
        assert advised is not None
        assert imu.doubt(imu.si(raw, advised.unit), advised.unit) is None


def test_either_way_of_lying_and_either_byte_order_is_one_signal():
    """Breaks if time and channels are swapped, or big-endian numbers are read as noise."""
    signal = moving(50)
    for array in (signal, signal.T, signal.astype(">f4"), signal.astype("f2")):
        out = imu.rows(array)
        assert out.shape == (6, 50)
        assert out.dtype.isnative
        assert np.allclose(out, signal, atol=0.02)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((5, 50)), r"wants six columns.*got float64 \(5, 50\)"),
        (np.zeros(6), r"got float64 \(6,\)"),
        (np.full((6, 50), np.nan), "50 of 50 readings"),
        (np.array([["a"] * 6] * 9), "wants six columns"),
    ],
)
def test_what_is_no_imu_is_refused(array, says):
    """Breaks if five columns, letters or a gap reach the model."""
    with pytest.raises(InvalidInput, match=says):
        imu.rows(array)


def test_a_reading_that_no_robot_feels_is_told_apart():
    """Breaks if one reading of 1e8 spoils a stream's running statistics."""
    assert imu.reading_doubt([0, 0, G, 0, 0, 0]) is None
    assert "got 1e+08 and 0" in (imu.reading_doubt([0, 0, 1e8, 0, 0, 0]) or "")
    readings = np.array([[0, 0, G, 0, 0, 0], [np.nan, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1e3, 0]]).T
    assert imu.out_of_range(readings).tolist() == [False, True, True]
