"""A stream's lane to its recorders: real sockets, and what a slow recorder costs."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bindstream.types import Modality, Sample
from pipeline.lane import FRAMES, QUEUE, STAND_S, Lane, Lanes, lane_address
from tests.devices.drives import samples_of

WAIT_S = 20.0


@pytest.fixture(autouse=True)
def _folder(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path_factory.mktemp("l")))


@pytest.fixture
def lane():
    lane = Lane("r2", "eye", Modality.DEPTH, lambda: 10.0)
    yield lane
    lane.close()


@pytest.fixture
def lanes():
    lanes = Lanes()
    lanes.watch("r2", "eye")
    yield lanes
    lanes.close()


def attach(lane: Lane, *recorders: Lanes) -> None:
    """Offer until each hears it; what came is taken away."""
    first, until_s = (
        samples_of(Modality.DEPTH, seconds=0.1, stream="eye"),
        time.monotonic() + WAIT_S,
    )
    while not all(r.heard("eye") for r in recorders):
        assert time.monotonic() < until_s
        lane.offer(first)
        for recorder in recorders:
            drain(recorder)
    for recorder in recorders:
        drain(recorder, 0.3)


def drain(lanes: Lanes, quiet_s: float = 0.05) -> list[Sample]:
    """All that comes until it is quiet."""
    found: list[Sample] = []
    while got := lanes.receive(quiet_s):
        found += [sample for sample, _, _ in got]
    return found


def test_every_sample_arrives_as_it_was(lane, lanes):
    """Breaks if a stamp, a value, a rate or the camera is another in the recorder."""
    attach(lane, lanes)
    samples = samples_of(Modality.DEPTH, seconds=2.0, stream="eye")
    got = []
    for sample in samples:
        lane.offer([sample])
        got += lanes.receive(WAIT_S)
    assert [(m, rate) for _, m, rate in got] == [(Modality.DEPTH, 10.0)] * len(samples)
    for (copy, _, _), sample in zip(got, samples, strict=True):
        assert (copy.stream, copy.t_ns, copy.arrival_ns, copy.meta) == (
            "eye",
            sample.t_ns,
            sample.arrival_ns,
            sample.meta,
        )
        assert np.array_equal(copy.data, sample.data)
    assert lanes.lost == {}


def test_nothing_is_kept_while_nobody_records(lane, lanes):
    """Breaks if a robot that is not recorded holds frames for a recorder to come, or counts them as
    lost."""
    lanes.close()
    samples = samples_of(Modality.DEPTH, seconds=20.0, stream="eye")
    lane.offer(samples)
    assert lane.refused == 0
    late = Lanes()
    late.watch("r2", "eye")
    attach(lane, late)
    assert late.lost == {}
    late.close()


def test_a_slow_recorder_loses_its_own_samples_and_knows_how_many(lane, lanes):
    """Breaks if a recorder that hangs holds up the sensor, grows without bound, or believes its
    recording whole."""
    attach(lane, lanes)
    many = FRAMES + max(QUEUE.values()) + 500
    sample = samples_of(Modality.DEPTH, seconds=0.1, stream="eye")[0]
    big = Sample(
        "eye", sample.t_ns, np.zeros((200, 320), np.float32), sample.arrival_ns, sample.meta
    )
    for _ in range(many):
        lane.offer([big])
    assert lane.refused > 0
    got = drain(lanes, 0.5)
    lane.offer([sample])
    got += drain(lanes, 1.0)
    assert lanes.lost["eye"] == lane.refused
    assert len(got) + lanes.lost["eye"] == many + 1


def test_two_recorders_get_all_of_it(lane, lanes):
    """Breaks if one takes away what the other should have."""
    other = Lanes()
    other.watch("r2", "eye")
    attach(lane, lanes, other)
    samples = samples_of(Modality.DEPTH, seconds=1.0, stream="eye")
    for sample in samples:
        lane.offer([sample])
    assert len(drain(lanes, 0.5)) == len(drain(other, 0.5)) == len(samples)
    other.close()


def test_a_stream_that_starts_again_has_lost_nothing(lane, lanes):
    """Breaks if a restarted stream ends its recording, or its numbers pass for a loss."""
    attach(lane, lanes)
    lane.offer(samples_of(Modality.DEPTH, seconds=0.5, stream="eye"))
    drain(lanes, 0.5)
    lane.close()
    again = Lane("r2", "eye", Modality.DEPTH, lambda: 10.0)
    until_s = time.monotonic() + WAIT_S
    got: list[Sample] = []
    while not got:
        assert time.monotonic() < until_s
        again.offer(samples_of(Modality.DEPTH, seconds=0.1, stream="eye"))
        got = drain(lanes)
    assert lanes.lost == {}
    again.close()


def test_a_lane_stands_again_where_its_file_was_cleaned_away(lane):
    """Breaks if one that drains takes its successor's socket along for good."""
    lane_address("r2", "eye").unlink()
    time.sleep(STAND_S)
    late = Lanes()
    late.watch("r2", "eye")
    attach(lane, late)
    late.close()


def test_long_names_have_lanes_of_their_own():
    """Breaks if a stream whose names fill a path cannot be recorded, or shares a socket."""
    paths = {lane_address("r" * 64, "s" * 63 + end) for end in "ab"}
    assert len(paths) == 2
    assert all(len(str(path)) < 100 for path in paths)
