"""Times of counted samples: right, steady, and honest about losses."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.sample_clock import SampleClock

S = 1_000_000_000


def run(clock, rate_hz, delay_ms, seconds, batch=1, lost=None):
    """(true, stamped, arrival) of the first sample of each batch, in ns since second 1000."""
    rows, last_arrival = [], 0
    for index in range(0, int(seconds * rate_hz), batch):
        if lost and lost[0] <= index / rate_hz < lost[1]:
            continue
        newest = 1000 * S + round((index + batch - 1) / rate_hz * S)
        arrival = last_arrival = max(last_arrival, newest + round(delay_ms() * 1e6))
        stamped = clock.stamp(batch, arrival)
        rows.append((1000 * S + round(index / rate_hz * S), stamped, arrival))
    return rows


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([(50.0, 1), (200.0, 1), (400.0, 3), (48000.0, 960)]),
    st.floats(0.0, 30.0),
)
def test_jitter_does_not_reach_the_times(seed, kind, jitter_ms):
    """Breaks if arrival jitter shows in the spacing, or the times drift off the truth."""
    rate_hz, batch = kind
    draw = random.Random(seed)
    rows = run(SampleClock(rate_hz, 0.01), rate_hz, lambda: draw.uniform(0, jitter_ms), 12, batch)
    settled = [row for row in rows if row[0] > 1002 * S]
    errors_ms = [(stamped - true) / 1e6 for true, stamped, _ in settled]
    assert min(errors_ms) > -5
    assert max(errors_ms) < jitter_ms * 0.6 + 3
    spacing_ns = batch / rate_hz * S
    for (_, a, _), (_, b, _) in pairwise(settled):
        assert abs(b - a - spacing_ns) < 0.06 * spacing_ns + 1


@pytest.mark.parametrize("true_hz", [190.0, 198.7, 207.0])
def test_a_device_off_its_nominal_rate_is_followed(true_hz):
    """Breaks if a hobby IMU that says 200 Hz and gives 190 drifts away."""
    draw = random.Random(1)
    clock = SampleClock(200.0, 0.2)
    rows = run(clock, true_hz, lambda: draw.expovariate(1 / 4), 20)
    errors_ms = [(stamped - true) / 1e6 for true, stamped, _ in rows if true > 1005 * S]
    assert min(errors_ms) > -2
    assert max(errors_ms) < 8
    assert clock.measured_hz == pytest.approx(true_hz, rel=0.002)


def test_a_stalled_reader_moves_nothing():
    """Breaks if a backlog, delivered late and at once, is taken for the time of capture."""
    draw = random.Random(2)
    clock = SampleClock(48000.0, 1e-4)
    for index in range(400):
        due = 1000 * S + index * 20_000_000
        stalled = 200 <= index < 240  # 0.8 s come at once, at their end
        arrival = 1000 * S + 240 * 20_000_000 if stalled else due
        stamped = clock.stamp(960, arrival + round(draw.uniform(0, 5e6)))
        assert abs(stamped + 20_000_000 - due) < 25e6
    assert clock.jumps == 0


def test_lost_samples_are_noticed_and_made_good():
    """Breaks if a second of lost audio shifts all later times by a second."""
    draw = random.Random(3)
    clock = SampleClock(48000.0, 1e-4)
    rows = run(clock, 48000, lambda: draw.uniform(0, 5), 12, 960, lost=(4.0, 5.0))
    late = [(stamped - true) / 1e6 for true, stamped, _ in rows if true > 1007 * S]
    assert clock.jumps >= 1
    assert max(map(abs, late)) < 25


def test_a_drained_source_tells_a_loss_at_once():
    """Breaks if an IMU that paused for a second is stamped wrong for half a second more."""
    clock = SampleClock(100.0, 0.1)
    for index in range(300):
        clock.stamp(1, 1000 * S + index * 10_000_000, drained=True)
    stamped = clock.stamp(1, 1004 * S, drained=True)
    assert abs(stamped - 1004 * S) < 15e6


@pytest.mark.parametrize("lost", [1, 2, 3, 9])
@pytest.mark.parametrize("jitter_ms", [0.5, 3.0])
def test_a_small_loss_is_noticed_within_two_seconds(lost, jitter_ms):
    """Breaks if two lost readings of 100 Hz are smeared over ten seconds."""
    draw = random.Random(lost)
    clock = SampleClock(100.0, 0.2, 4_000_000)
    gap = (5.0, 5.0 + lost / 100 - 0.001)
    rows = run(clock, 99.3, lambda: draw.uniform(0, jitter_ms), 9, lost=gap)
    assert clock.jumps == 1
    assert clock.lost == lost
    late = [(stamped - true) / 1e6 for true, stamped, _ in rows if true > 1006.6 * S]
    assert min(late) > -3
    assert max(late) < jitter_ms + 4


def test_jitter_of_a_slow_link_is_no_loss():
    """Breaks if a Bluetooth port that holds readings back for 50 ms now and then loses some."""
    draw = random.Random(5)
    clock = SampleClock(100.0, 0.2, 4_000_000)
    rows = run(clock, 100, lambda: draw.choice([1, 2, 20, 50]) + draw.random(), 60)
    assert clock.jumps == 0
    stamps = [stamped for _, stamped, _ in rows if stamped > 1001 * S]
    assert all(b > a for a, b in pairwise(stamps))


@pytest.mark.parametrize("phase", range(12))
def test_a_backlog_moves_nothing_wherever_it_falls(phase):
    """Breaks if a stall that begins with a block of the fit is taken for a loss."""
    clock = SampleClock(100.0, 0.2, 4_000_000)
    for index in range(600):
        due_ns = 1000 * S + index * 10_000_000
        stalled = 300 + 5 * phase <= index < 370 + 5 * phase
        arrival_ns = 1000 * S + (370 + 5 * phase) * 10_000_000 if stalled else due_ns
        assert abs(clock.stamp(1, arrival_ns) - due_ns) < 2e6
    assert clock.jumps == 0


def test_lateness_shows_a_silent_lag():
    """Breaks if a backlog of seconds in the sound server cannot be seen."""
    clock = SampleClock(48000.0, 1e-4)
    for index in range(200):
        clock.stamp(960, 1000 * S + index * 20_000_000)
    assert clock.lateness_ns(1000 * S + 199 * 20_000_000 + 3 * S) == pytest.approx(3 * S, abs=1e7)
