"""WitMotion's bytes, whole and damaged."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.serial.witmotion import G, WitMotion
from tests.devices.serial_port import witmotion

# By hand from the data sheet: 0x0800 is a 16th of the scale, 1 g; 0x4000 is half of it.
ONE_G = bytes.fromhex("5551 0000 0000 0008 c409".replace(" ", ""))
HALF = bytes.fromhex("5552 0040 0000 0000 c409".replace(" ", ""))


def summed(body):
    """With its checksum."""
    return body + bytes([sum(body) & 0xFF])


def test_values_and_units_by_hand():
    """Breaks if byte order, scale, axis order or a unit is wrong."""
    parser = WitMotion()
    stream = summed(ONE_G) + summed(HALF)
    (reading,) = parser.feed(stream + b"\x55")  # the next head confirms the first frame
    assert reading == pytest.approx((0, 0, G, math.radians(1000), 0, 0))
    assert (parser.bad, parser.skipped, parser.unpaired) == (0, 0, 0)


def test_other_frames_are_passed_over():
    """Breaks if angle and magnetometer frames, always on by default, end a pair."""
    angle = summed(bytes.fromhex("5553") + bytes(8))
    parser = WitMotion()
    readings = parser.feed((summed(ONE_G) + summed(HALF) + angle) * 3)
    assert len(readings) == 3
    assert parser.skipped == 0


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_cuts_of_the_stream_do_not_matter(cuts):
    """Breaks if a frame that arrives in pieces is lost or doubled."""
    stream = b"".join(witmotion((i, 0, G, 0, i / 10, 0)) for i in range(10))
    whole = WitMotion().feed(stream)
    parser, pieces, at = WitMotion(), [], 0
    for cut in cuts:
        pieces += parser.feed(stream[at : at + cut])
        at += cut
    pieces += parser.feed(stream[at:])
    assert pieces == whole
    assert len(whole) == 10


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_garbage_never_raises_and_is_followed_by_readings(before, between):
    """Breaks if some bytes raise, loop for ever, or keep the parser from finding its step."""
    good = b"".join(witmotion((0, 0, G, 0, 0, 0)) for _ in range(8))
    parser = WitMotion()
    readings = parser.feed(before) + parser.feed(good) + parser.feed(between) + parser.feed(good)
    assert len(readings) >= 12
    assert sum(r[2] == pytest.approx(G, abs=1e-2) for r in readings) >= 12


def test_flipped_bits_hardly_ever_make_a_wrong_reading():
    """Breaks if damage reaches the encoder as motion: the sum and the order must both hold."""
    draw, parser, readings = random.Random(4), WitMotion(), []
    n = 4000
    for _ in range(n):
        frame = bytearray(witmotion((0, 0, G, 0, 0, 0)))
        if draw.random() < 0.1:
            frame[draw.randrange(len(frame))] ^= 1 << draw.randrange(8)
        readings += parser.feed(bytes(frame))
    assert len(readings) > 0.8 * n
    assert parser.bad > 0.05 * n
    assert all(r[2] == pytest.approx(G, abs=1e-2) for r in readings)
