"""The driver of recordings: pace, end, and what it says when it cannot play."""

from __future__ import annotations

import numpy as np
import pytest

from bindstream.errors import DeviceUnavailable, StreamEnded, WrongFormat
from bindstream.types import Modality
from pipeline.clock import FAR_NS
from sensors import load
from tests.devices.drives import STARTS_NS, drive, samples_of, write


def player(path, modality="imu", stream="imu", **options):
    return load("recording")(stream, file=str(path), modality=modality, **options)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "a.mcap", drive(2.0))


def everything(driver):
    found = []
    while True:
        try:
            found += driver.read(0.2)
        except StreamEnded:
            return found


@pytest.mark.parametrize("modality", ["vision", "audio", "depth", "thermal", "imu"])
def test_all_of_it_is_played_once_and_then_it_has_ended(path, modality):
    """Breaks if a sample is lost or comes twice, whichever the sensor."""
    driver = player(path, modality, modality)
    driver.open(lambda: FAR_NS)
    wanted = samples_of(Modality(modality), seconds=2.0)
    found = everything(driver)
    assert [s.t_ns for s in found] == [s.t_ns for s in wanted]
    assert all(np.array_equal(a.data, b.data) for a, b in zip(found, wanted, strict=True))
    assert {s.stream for s in found} == {modality}
    with pytest.raises(StreamEnded):
        driver.read(0.0)


def test_nothing_is_given_before_it_is_due(path):
    """Breaks if 1x is as fast as it can."""
    now_ns = STARTS_NS
    driver = player(path)
    driver.open(lambda: now_ns)
    for _ in range(20):
        now_ns += 33_000_000
        given = driver.read(0.05)
        assert given
        assert all(s.t_ns <= now_ns for s in given)
        assert driver.read(0.0) == []


def test_opened_again_it_goes_on_where_it_was(path):
    """Breaks if a pause plays a recording from its beginning."""
    driver = player(path)
    driver.open(lambda: STARTS_NS + 10**9)
    first = driver.read(0.2)
    driver.close()
    driver.open(lambda: FAR_NS)
    times = [s.t_ns for s in first + everything(driver)]
    assert times == [s.t_ns for s in samples_of(Modality.IMU, seconds=2.0)]


def test_all_streams_of_a_recording_begin_at_the_same_time(path):
    """Breaks if streams that began apart are played as if they had begun together."""
    starts = {player(path, m, m).starts_ns for m in ("vision", "audio", "imu")}
    assert len(starts) == 1
    assert abs(starts.pop() - STARTS_NS) < 10**8


def test_a_stream_may_be_found_by_its_topic(path):
    """Breaks if a ROS 2 bag's topic cannot be given a name of one's own."""
    driver = player(path, stream="mine", source="/r2/imu/imu")
    driver.open(lambda: FAR_NS)
    assert driver.read(0.2)[0].stream == "mine"
    assert driver.rate_hz == 100.0


def test_a_stream_that_is_not_there_is_told_with_those_that_are(path):
    """Breaks if a misspelt name is an empty stream."""
    with pytest.raises(WrongFormat, match=r"no stream 'eyes'.*vision \(vision"):
        player(path, "vision", "eyes").open(lambda: FAR_NS)


def test_another_modality_is_refused(path):
    """Breaks if sound is played as an IMU."""
    with pytest.raises(WrongFormat, match=r"wants imu, but .* holds audio"):
        player(path, source="audio").open(lambda: FAR_NS)


def test_a_file_that_is_not_there_is_waited_for(tmp_path):
    """Breaks if it is another error than that of any absent device."""
    with pytest.raises(DeviceUnavailable, match="no such file"):
        player(tmp_path / "none.mcap").open(lambda: FAR_NS)


def test_damage_stands_in_the_streams_health(tmp_path):
    """Breaks if what cannot be read is passed over in silence."""
    path = write(tmp_path / "a.mcap", samples_of(Modality.VISION, seconds=1.0))
    content = path.read_bytes()
    at = content.index(b"\x89PNG", len(content) // 2)
    path.write_bytes(content.replace(content[at : at + 4], b"none"))
    driver = player(path, "vision", "vision")
    driver.open(lambda: FAR_NS)
    assert everything(driver) == []
    assert driver.counters["damaged"] > 0
