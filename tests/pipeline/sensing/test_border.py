"""What drivers hand over is made ours, or refused in words."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from bindstream.errors import InvalidInput
from bindstream.types import Modality, Sample
from pipeline.sensing.border import MOST_WORDS, admitted, counted, rate_of, why_of

NOW_NS = 1_700_000_000 * 10**9


def given(data, t_ns=NOW_NS, arrival_ns=NOW_NS):
    return Sample("s", t_ns, data, arrival_ns)


@pytest.mark.parametrize(
    ("modality", "data", "dtype"),
    [
        (Modality.VISION, np.zeros((8, 8, 6), np.uint8)[::-1, :, ::2], "|u1"),
        (Modality.AUDIO, np.zeros(64, ">f8")[::2], "<f4"),
        (Modality.DEPTH, np.ones((8, 8), np.float16).T, "<f4"),
        (Modality.THERMAL, np.full((8, 8), 300.0), "<f4"),
        (Modality.IMU, [0, 0, 9, 0, 0, 0], "<f4"),
        (Modality.IMU, np.arange(6, dtype=">i2"), "<f4"),
    ],
)
def test_other_widths_strides_and_byte_orders_are_converted(modality, data, dtype):
    """Breaks if a view, a big-endian or a double array reaches the windows as it is."""
    out = admitted(given(data, np.int64(NOW_NS), float(NOW_NS)), modality)
    assert out.data.dtype.str == dtype
    assert out.data.flags.c_contiguous
    assert np.array_equal(out.data, np.asarray(data).astype(dtype))
    assert (type(out.t_ns), out.t_ns) == (int, NOW_NS)
    assert (type(out.arrival_ns), out.arrival_ns) == (int, NOW_NS)


@pytest.mark.parametrize(
    ("modality", "data", "says"),
    [
        (Modality.VISION, np.zeros((0, 8, 3), np.uint8), r"got uint8 of shape \(0, 8, 3\)"),
        (Modality.VISION, np.zeros((8, 8, 3)), r"uint8 RGB, got float64"),
        (Modality.AUDIO, np.zeros(8, np.int16), r"float32 in \[-1, 1\].*got int16"),
        (Modality.THERMAL, np.full((8, 8), np.inf, np.float32), "finite"),
        (Modality.IMU, np.full(6, 1e30), "at most"),
        (Modality.IMU, [[1], [1, 2]], "list is no array"),
        (Modality.IMU, None, "got object"),
    ],
)
def test_what_is_of_no_form_is_refused_with_what_came(modality, data, says):
    """Breaks if it passes, or is refused without what was wanted and what came."""
    with pytest.raises(InvalidInput, match=says):
        admitted(given(data), modality)


def test_a_hole_in_depth_is_a_hole():
    """Breaks if one NaN pixel costs a depth frame, though it is documented as a hole."""
    depth = np.ones((4, 4), np.float32)
    depth[1, 2] = np.nan
    out = admitted(given(depth), Modality.DEPTH).data
    assert out[1, 2] == 0
    assert out.sum() == 15


@pytest.mark.parametrize("off_s", [3.0, -90.0, -1.7e9])
def test_a_stamp_far_off_is_refused(off_s):
    """Breaks if one wild stamp of a feed moves the time of all vectors that follow."""
    with pytest.raises(InvalidInput, match=r"t_ns: .* s (before|after) its arrival"):
        admitted(given(np.zeros(6), NOW_NS + int(off_s * 1e9)), Modality.IMU)
    for near_s in (0.9, -50.0):
        admitted(given(np.zeros(6), NOW_NS + int(near_s * 1e9)), Modality.IMU)


@pytest.mark.parametrize("off_s", [-4.0, 4.0, -3600.0, 1.7e9, -1.7e9])
def test_an_arrival_by_another_clock_is_refused(off_s):
    """Breaks if two stamps that agree with each other alone pass: windows would be years old."""
    at_ns = NOW_NS + int(off_s * 1e9)
    strange = given(np.zeros(6), at_ns, at_ns)
    says = r"arrival_ns: .* s (before|after) the robot's time.*now_ns\(\)"
    with pytest.raises(InvalidInput, match=says):
        admitted(strange, Modality.IMU, (NOW_NS, NOW_NS))
    assert admitted(strange, Modality.IMU).arrival_ns == at_ns


def test_what_waited_while_nobody_read_has_arrived():
    """Breaks if a machine that stood still for a minute has its sensors' buffers refused."""
    came = (NOW_NS - 60 * 10**9, NOW_NS)
    for ago_s in (0, 30, 60, 62):
        at_ns = NOW_NS - ago_s * 10**9
        admitted(given(np.zeros(6), at_ns, at_ns), Modality.IMU, came)


@pytest.mark.parametrize("t_ns", [None, "now", float("nan"), -1, 1 << 63])
def test_a_stamp_that_is_no_time_is_refused(t_ns):
    """Breaks if it reaches arithmetic that raises, or wraps around."""
    with pytest.raises(InvalidInput, match="t_ns: wanted nanoseconds"):
        admitted(given(np.zeros(6), t_ns), Modality.IMU)


def test_counters_of_any_numbers_can_be_sent():
    """Breaks if np.int64, a float or NaN among a driver's counters reaches msgpack."""
    odd = {"a": np.int64(3), "b": 2.0, "c": True, "d": float("nan"), "e": None, 5: np.uint8(9)}
    found = counted(odd | {"f": "12", "g": 1 << 80, "h\udcff": 1})
    assert found == {"a": 3, "b": 2, "c": 1, "5": 9, "h?": 1}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=dict[str, int]) == found
    with pytest.raises(TypeError):
        counted(7)


def test_a_rate_of_any_kind_is_a_number():
    """Breaks if a driver without a rate, or with NumPy's, cannot be judged."""

    class Failing:
        @property
        def rate_hz(self):
            raise OSError("not open yet")

    for value, wanted in ((np.float32(50), 50.0), (None, 0.0), (float("inf"), 0.0), (-3, 0.0)):
        driver = type("Driver", (), {"rate_hz": value})()
        assert (type(rate_of(driver)), rate_of(driver)) == (float, wanted)
    assert rate_of(Failing()) == 0.0


class Mute:
    @property
    def why(self):
        raise KeyError("not open yet")


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (None, ""),
        (0, ""),
        (OSError(5, "no bus"), "[Errno 5] no bus"),
        (7, "7"),
        ("\udcff", "?"),
        ("x" * 9999, "x" * MOST_WORDS),
    ],
)
def test_a_drivers_why_is_made_words(why, said):
    """Breaks if an error that a driver puts where words belong ends the stream's thread, as what
    no message can hold."""
    assert why_of(SimpleNamespace(why=why)) == said


def test_a_why_that_fails_and_none_at_all_are_survived():
    """Breaks if a property of a driver ends the stream's thread."""
    assert why_of(Mute()) == "the driver cannot say what is wrong: KeyError"
    assert why_of(object()) == ""
