"""Lines of CSV and JSON, whole and damaged."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.serial.lines import AXES, G, Lines, csv, json_object, xor

NUMBERS = st.lists(st.floats(-50, 50), min_size=6, max_size=6)


def csv_of(data, **options):
    """The readings of some bytes, after a complete first line."""
    parser = Lines(csv, **options)
    return parser.feed(data), parser


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", ", "])
def test_csv_in_its_dialects(separator):
    """Breaks if a common sketch's separator is not understood."""
    line = separator.join(["0", "-1.5", "9.8", "1e-2", "0.1", "-.2"]) + "\r\n"
    readings, parser = csv_of(line.encode() * 2)
    assert readings == [(0, -1.5, 9.8, 0.01, 0.1, -0.2)] * 2
    assert parser.bad == 0


def test_units_are_converted():
    """Breaks if g or degrees pass for SI."""
    (reading,), _ = csv_of(b"0,0,1,180,0,0\n", accel_unit="g", gyro_unit="deg/s")
    assert reading == pytest.approx((0, 0, G, math.pi, 0, 0))


def test_columns_may_stand_anywhere():
    """Breaks if a time or a temperature column is taken for motion."""
    readings, _ = csv_of(
        b"99 1 2 3 25.5 4 5 6\n", columns=("t", "gx", "gy", "gz", "temp", "ax", "ay", "az")
    )
    assert readings == [(4, 5, 6, 1, 2, 3)]


def test_checksums_hold_or_the_line_is_bad():
    """Breaks if a line with a wrong *HH counts."""
    body = b"0,0,9.8,0,0,0"
    good = body + b"*%02X\n" % xor(body)
    readings, parser = csv_of(good + good.replace(b"9.8", b"9.9") + good.lower())
    assert len(readings) == 2
    assert parser.bad == 1


def test_a_heading_and_a_cut_first_line_are_no_damage():
    """Breaks if every start counts as damage."""
    for first in (b"ax,ay,az,gx,gy,gz\n", b"8,0,0\n"):
        readings, parser = csv_of(first + b"0,0,9.8,0,0,0\n")
        assert (len(readings), parser.bad) == (1, 0)


@pytest.mark.parametrize(
    "line",
    [b"nan,0,0,0,0,0", b"0,0,inf,0,0,0", b"0,0,9999,0,0,0", b"1,2,3", b"0,0,9.8,0,0,999", b"\xff"],
)
def test_what_cannot_be_is_counted(line):
    """Breaks if NaN, an impossible motion or half a line becomes a reading."""
    readings, parser = csv_of(b"0,0,9.8,0,0,0\n" + line + b"\n")
    assert (len(readings), parser.bad) == (1, 1)


def test_json_lines():
    """Breaks if keys are taken by their order, or a bool for a number."""
    parser = Lines(json_object)
    good = {"t": 5, "gz": 6, "gy": 5, "gx": 4, "az": 3, "ay": 2, "ax": 1}
    lines = [good, good | {"ax": True}, good | {"ax": "1"}, {"ax": 1}, [1], good]
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    assert parser.feed(data) == [(1, 2, 3, 4, 5, 6)] * 2
    assert parser.bad == 4
    renamed = Lines(json_object, columns=("a", "b", "c", "d", "e", "f"))
    assert renamed.feed(b'{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}\n') == [(1, 2, 3, 4, 5, 6)]


def test_a_line_without_end_is_not_hoarded():
    """Breaks if a wrong baud rate (no newline ever) fills the memory."""
    parser = Lines(csv)
    for _ in range(100):
        parser.feed(bytes(500))
    assert parser.skipped > 45_000


@given(NUMBERS, st.integers(1, 30))
def test_numbers_survive_any_cut(numbers, cut):
    """Breaks if a line in pieces is lost, or a number changes."""
    line = ",".join(map(repr, numbers)).encode() + b"\n"
    data, parser = line * 3, Lines(csv)
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    assert [r for piece in pieces for r in parser.feed(piece)] == [tuple(numbers)] * 3


@given(st.binary(max_size=400), st.sampled_from([csv, json_object]))
def test_no_bytes_raise(data, parse):
    """Breaks if some bytes end the stream."""
    parser = Lines(parse)
    parser.feed(data)
    parser.feed(b"[" * 900 + b"\n" + data)
    assert parser.unpaired == 0
    assert len(AXES) == 6


def bad_line(line, **options):
    """What is said of a line that is no reading."""
    parser = Lines(csv, **options)
    assert parser.feed(b"0,0,9.8,0,0,0\n" + line + b"\n")[1:] == []
    return parser.why


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"123,0,0,9.8,0,0,0", r"'123,0,0,9.8,0,0,0' has 7 columns, option columns names 6 \(ax"),
        (b"0,01;0,02;9,81;0,0;0,0;0,0", "12 columns.*a comma as the decimal point"),
        (b"ax:0 ay:0 az:9.8 gx:0 gy:0 gz:0", "no number in column ax: 'ax:0'"),
        (b"12,-40,16384,3,2,1", "az would be 1.638e.04 m/s2: raw counts"),
        (b"0,0,9.8,0,0,0*11", "has checksum 11, its bytes give"),
        (b"\xfe\x81\x00\x13", "is no text: check baud"),
    ],
)
def test_a_line_that_is_no_reading_is_shown_and_explained(line, says):
    """Breaks if five causes have one sentence: nobody can tell what the device printed."""
    assert re.search(says, bad_line(line))


@pytest.mark.parametrize("start", [b"$", b"!"])
@pytest.mark.parametrize("summed", [False, True])
def test_a_dollar_is_no_part_of_the_checksum(start, summed):
    """Breaks if `$VNIMU,...*HH` is refused, whose sum leaves the `$` out as NMEA 0183 has it; or
    the few devices that sum it."""
    body = b"VNIMU,0,0,9.8,0,0,0"
    line = start + body + b"*%02X\n" % xor(start + body if summed else body)
    named = ("id", *AXES)
    for columns in (AXES, named):  # the tag may be declared, or not
        readings, parser = csv_of(line * 2, columns=columns)
        assert readings == [(0, 0, 9.8, 0, 0, 0)] * 2
        assert parser.bad == 0
