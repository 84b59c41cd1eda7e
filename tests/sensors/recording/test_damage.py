"""Recordings that end too soon, or are damaged: what is whole is read."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from bindstream.types import Modality, Sample
from sensors.recording.bag import Bag
from sensors.recording.mcap_file import McapFile
from sensors.ros2.unpacking import Reading
from tests.devices.drives import drive, write

CUTS = 1_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("damage") / "whole.mcap", drive(5.0))


def messages(path: Path) -> list[tuple[str, int, int]]:
    """Topic, time and checksum of each message that is read."""
    file = McapFile(path)
    found = filter(None, file.messages(lambda _: True))
    return [(m.topic.name, m.log_ns, zlib.crc32(m.data)) for m in found]


def samples(path: Path, stream: str) -> list[Sample]:
    bag = Bag(path)
    track = next((t for t in bag.tracks() if t.stream == stream), None)
    if track is None:
        return []
    read = bag.samples(track, Reading(stream, track.modality), pytest.fail)
    return [sample for sample in read if sample]


def test_a_recording_cut_anywhere_is_read_to_there(whole, tmp_path):
    """Breaks if a power cut, kill -9 or a full disk costs more than what was not yet on the disk:
    of a file cut at any byte every message that lies whole before the cut is read."""
    content, cut = whole.read_bytes(), tmp_path / "cut.mcap"
    every = messages(whole)
    draw = random.Random(1)
    offsets = sorted(draw.randrange(8, len(content)) for _ in range(CUTS))
    before = 0
    for offset in offsets:
        cut.write_bytes(content[:offset])
        found = messages(cut)
        assert found == every[: len(found)]
        assert len(found) >= before
        before = len(found)
    assert before == len(every)


def test_no_more_than_the_message_that_was_cut_is_missing(whole, tmp_path):
    """Breaks if the last chunk is given up because its end is not there."""
    content, cut = whole.read_bytes(), tmp_path / "cut.mcap"
    largest = max(len(m.data) for m in filter(None, McapFile(whole).messages(lambda _: True)))
    data_end = whole.stat().st_size - 20_000
    missing = []
    for offset in range(data_end // 2, data_end // 2 + 4 * largest, largest // 3):
        cut.write_bytes(content[:offset])
        held = sum(len(m.data) + 31 for m in filter(None, McapFile(cut).messages(lambda _: True)))
        missing.append(offset - held)
    overhead = min(missing)  # schemas, channels, indexes
    assert max(missing) - overhead < 2 * largest


def test_streams_and_samples_of_a_cut_recording(whole, tmp_path):
    """Breaks if a file without an index cannot be played."""
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert {t.stream for t in Bag(cut).tracks()} == {"vision", "audio", "depth", "thermal", "imu"}
    found, every = samples(cut, "imu"), samples(whole, "imu")
    assert 0 < len(found) < len(every)
    assert [s.t_ns for s in found] == [s.t_ns for s in every[: len(found)]]
    assert Bag(cut).starts_ns == Bag(whole).starts_ns > 0


def test_a_cut_recording_is_not_read_whole_to_find_a_stream(whole, tmp_path, monkeypatch):
    """Breaks if each stream of an hour that has no index takes minutes to open: its driver would be
    taken for hung."""
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    expected = {track.stream: replace(track, ends_ns=0) for track in Bag(cut).tracks()}
    monkeypatch.setattr(McapFile, "topics", lambda _: pytest.fail("it was read whole"))
    for stream, track in expected.items():
        assert Bag(cut).track(stream) == Bag(cut).track(track.source) == track


def test_damage_in_the_middle_costs_its_chunk_and_is_counted(whole, tmp_path):
    """Breaks if one bad block of a disk ends a recording, or passes for sound data."""
    content = bytearray(whole.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    damaged = tmp_path / "damaged.mcap"
    damaged.write_bytes(content)
    file = McapFile(damaged)
    found = [m.log_ns for m in filter(None, file.messages(lambda _: True))]
    every = [log_ns for _, log_ns, _ in messages(whole)]
    assert file.damaged == 1
    assert set(found) < set(every)
    assert found[-1] == every[-1]
    assert len(found) > len(every) * 0.7


def test_random_bytes_never_raise_anything_else(whole, tmp_path):
    """Breaks if a damaged file ends a stream in an exception that nobody foresaw, or asks for all
    the memory there is (a length that a flipped bit made)."""
    content, draw, path = whole.read_bytes()[:200_000], random.Random(2), tmp_path / "x.mcap"
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(20):
            damaged[draw.randrange(8, len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        bag = Bag(path)
        for track in bag.tracks():
            refused: list[Exception] = []
            reading = Reading(track.stream, track.modality)
            for sample in bag.samples(track, reading, refused.append):
                assert sample is None or sample.t_ns >= 0


@pytest.mark.parametrize("size", [8, 9, 16, 40])
def test_a_recording_that_had_hardly_begun_is_empty(whole, tmp_path, size):
    """Breaks if a recorder that was killed at once leaves a file that ends a program."""
    path = tmp_path / "a.mcap"
    path.write_bytes(whole.read_bytes()[:size])
    assert Bag(path).tracks() == []


def test_a_stamp_of_another_clock_is_not_believed(tmp_path):
    """Breaks if a sensor that counts from its own start takes its stream to 1970."""
    samples_ = [
        Sample("imu", 5_000 + s.t_ns % 10**9, s.data, s.arrival_ns)
        for s in drive(1.0)
        if s.stream == "imu"
    ]
    path = write(tmp_path / "a.mcap", samples_)
    assert [s.t_ns for s in samples(path, "imu")] == [s.arrival_ns for s in samples_]
    assert Modality.IMU in {t.modality for t in Bag(path).tracks()}
