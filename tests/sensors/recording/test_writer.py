"""Files of ours: what comes back out of them, and that others' readers open them."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader
from rosbags.highlevel import AnyReader

from bindstream.types import (
    SENSED,
    DepthMeta,
    Embedding,
    Event,
    Health,
    Member,
    Modality,
    Reason,
    Sample,
    Scene,
    Tombstone,
)
from sensors.recording.bag import Bag
from sensors.recording.writer import LOSSES, RecordingWriter
from sensors.ros2.packing import Codec
from sensors.ros2.unpacking import Reading
from tests.devices.drives import (
    CAMERA,
    LOSSLESS,
    RATES_HZ,
    STARTS_NS,
    drive,
    samples_of,
    write,
)

WINDOW = {
    "robot": "r2",
    "stream": "front-cam",
    "modality": Modality.VISION,
    "epoch": 7,
    "seq": 3,
    "start_ns": STARTS_NS,
    "end_ns": STARTS_NS + 2 * 10**9,
}
UNIT = np.eye(1, 8, dtype=np.float32)[0]


def read(path: Path) -> dict[str, list[Sample]]:
    """All samples of all streams; fails where one cannot be read."""
    bag = Bag(path)
    found = {}
    for track in bag.tracks():
        reading = Reading(track.stream, track.modality)
        found[track.stream] = [s for s in bag.samples(track, reading, pytest.fail) if s]
    return found


def test_a_lossless_recording_gives_back_every_sample_to_the_bit(tmp_path):
    """Breaks if a codec rounds, a stamp or an arrival is cut, or the order is another."""
    drove = drive()
    found = read(write(tmp_path / "a.mcap", drove))
    assert set(found) == {str(modality) for modality in SENSED}
    for stream, samples in found.items():
        wanted = [sample for sample in drove if sample.stream == stream]
        assert len(samples) == len(wanted) > 20
        for got, want in zip(samples, wanted, strict=True):
            assert (got.t_ns, got.arrival_ns, got.meta) == (want.t_ns, want.arrival_ns, want.meta)
            assert got.data.dtype == want.data.dtype
            assert np.array_equal(got.data, want.data)


def test_what_is_recorded_in_jpeg_is_near_and_says_so(tmp_path):
    """Breaks if colours change places, the quality is not obeyed, or the file does not say it."""
    ramps = np.meshgrid(np.arange(64), np.arange(48))
    smooth = np.stack([*ramps, np.full((48, 64), 200)], axis=2)
    picture = smooth.astype(np.uint8)
    sizes = {}
    for quality in (30, 95):
        path = tmp_path / f"{quality}.mcap"
        writer = RecordingWriter(path, Codec(quality), {})
        writer.add("r2", Sample("eye", STARTS_NS, picture, STARTS_NS), Modality.VISION, 10.0)
        writer.close()
        (sample,) = read(path)["eye"]
        assert np.abs(sample.data.astype(int) - picture).max() <= (12 if quality == 95 else 60)
        sizes[quality] = path.stat().st_size
        with path.open("rb") as file:
            noted = [m.metadata for m in make_reader(file).iter_metadata()]
        assert noted[0]["kept as"] == f"jpeg {quality}, pcm-s16"
    assert sizes[30] < sizes[95]


def test_sound_of_16_bits_comes_back_exactly(tmp_path):
    """Breaks if full scale is off by one, so that a microphone's samples are all rounded."""
    heard = (np.arange(-32768, 32768, 7) / 32768).astype(np.float32)
    sample = Sample("ears", STARTS_NS, heard, STARTS_NS)
    path = tmp_path / "a.mcap"
    writer = RecordingWriter(path, Codec(), {})
    writer.add("r2", sample, Modality.AUDIO, 16_000.0)
    writer.close()
    assert np.array_equal(read(path)["ears"][0].data, heard)


def test_millimetres_take_two_bytes_and_other_depths_four(tmp_path):
    """Breaks if depth that no millimetre can say is rounded to one; or a file is twice as large as
    it need be."""
    whole = samples_of(Modality.DEPTH, seconds=1.0)
    odd = [
        Sample(s.stream, s.t_ns, s.data * np.float32(1.0001), s.arrival_ns, s.meta) for s in whole
    ]
    for name, samples, encoding in (("a", whole, "16UC1"), ("b", odd, "32FC1")):
        path = write(tmp_path / f"{name}.mcap", samples)
        with AnyReader([path]) as bag:
            wanted = [c for c in bag.connections if c.topic.endswith("/image")]
            kinds = {bag.deserialize(raw, c.msgtype).encoding for c, _, raw in bag.messages(wanted)}
        assert kinds == {encoding}
        got = read(path)["depth"]
        assert all(np.array_equal(a.data, b.data) for a, b in zip(got, samples, strict=True))


def test_a_camera_that_changes_is_told_for_each_frame(tmp_path):
    """Breaks if depth is turned to disparity by the focal length of another size."""
    first = samples_of(Modality.DEPTH, seconds=1.0)
    other = DepthMeta(150.0, 0.05)
    then = [Sample(s.stream, s.t_ns + 10**9, s.data, s.arrival_ns + 10**9, other) for s in first]
    metas = [s.meta for s in read(write(tmp_path / "a.mcap", first + then))["depth"]]
    assert metas == [CAMERA] * len(first) + [other] * len(then)


def test_rosbags_and_the_mcap_library_read_all_of_it(tmp_path):
    """Breaks if a schema, an index or a checksum is not what other tools want: then nobody but us
    opens our files."""
    path, messages = tmp_path / "a.mcap", 0
    writer = RecordingWriter(path, LOSSLESS, {"robot": "r2"})
    for sample in drive(1.0):
        modality = Modality(sample.stream)
        writer.add("r2", sample, modality, RATES_HZ[modality])
    vector = {"space_id": "tiny:1", "vector": UNIT, "published_ns": STARTS_NS}
    writer.say(
        Embedding(
            **WINDOW,
            **vector,
            captured_ns=STARTS_NS,
            windowed_ns=1,
            encoded_ns=2,
            queue_ms=0.5,
            encode_ms=1.5,
            n_missing=4,
            encoder_id="e",
            words={"object": "dog"},
        )
    )
    writer.say(Tombstone(**WINDOW, reason=Reason.SENSOR_GAP, published_ns=STARTS_NS))
    members = (
        Member("front-cam", Modality.VISION, 3, 1.0, 12.5),
        Member("m", Modality.AUDIO, -1, 0, None),
    )
    writer.say(Scene("r2", 1, 2, STARTS_NS, members=members, **vector))
    writer.say(Event("r2", "stream_lost", STARTS_NS, {"stream": "m", "why": "gone"}))
    writer.say(Health("r2", "m", "running", STARTS_NS, {}))
    writer.close()
    with path.open("rb") as file:
        whole = list(StreamReader(file, validate_crcs=True).records)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    assert summary.statistics is not None
    counts = summary.statistics.channel_message_counts
    topics = {c.topic: counts[n] for n, c in summary.channels.items()}
    assert topics["/r2/front_cam/embedding"] == topics["/r2/scene"] == topics["/r2/events"] == 1
    said = {}
    with AnyReader([path]) as bag:
        for connection, _, raw in bag.messages():
            said[connection.topic] = bag.deserialize(raw, connection.msgtype)
            messages += 1
    assert messages == sum(type(record).__name__ == "Message" for record in whole)
    told = said["/r2/front_cam/embedding"]
    assert (told.stream, told.seq, told.n_missing, told.queue_ms) == ("front-cam", 3, 4, 0.5)
    assert np.array_equal(told.vector, UNIT)
    assert told.answers == ["dog"]
    assert said["/r2/front_cam/dropped"].reason == "sensor_gap"
    assert [m.stream for m in said["/r2/scene"].members] == ["front-cam", "m"]
    assert np.isnan(said["/r2/scene"].members[1].age_ms)
    assert said["/r2/events"].detail == '{"stream": "m", "why": "gone"}'
    assert said["/r2/depth/camera_info"].p[3] == -CAMERA.fx_px * CAMERA.baseline_m


def test_names_that_differ_by_a_dash_are_kept_apart(tmp_path):
    """Breaks if two streams share a topic, which has no dashes: each would be played as both."""
    path = tmp_path / "a.mcap"
    writer = RecordingWriter(path, LOSSLESS, {})
    for name, seconds in (("left-eye", 1.0), ("left_eye", 2.0)):
        for sample in samples_of(Modality.IMU, seconds=seconds, stream=name):
            writer.add("r-2", sample, Modality.IMU, 100.0)
    writer.close()
    found = read(path)
    assert {name: len(samples) for name, samples in found.items()} == {
        "left-eye": 100,
        "left_eye": 200,
    }
    assert {track.robot for track in Bag(path).tracks()} == {"r-2"}


def test_what_was_lost_stands_in_the_file(tmp_path):
    """Breaks if a recording that lacks samples looks whole."""
    path = tmp_path / "a.mcap"
    writer = RecordingWriter(path, LOSSLESS, {})
    writer.lost({"front": 2})
    writer.lost({"front": 2})
    writer.lost({"front": 5})
    writer.close()
    with path.open("rb") as file:
        told = [m.metadata for m in make_reader(file).iter_metadata() if m.name == LOSSES]
    assert told == [{"front": "2"}, {"front": "5"}]


def test_a_writer_that_is_killed_leaves_what_it_flushed(tmp_path):
    """Breaks if a chunk waits in this process: kill -9 must lose no more than since the flush."""
    path = tmp_path / "a.mcap"
    program = (
        "import os, sys; from pathlib import Path;"
        "from tests.devices.drives import *; from bindstream.types import Modality;"
        f"w = RecordingWriter(Path({str(path)!r}), LOSSLESS, {{}});"
        "found = samples_of(Modality.IMU, seconds=2.0);"
        "[w.add('r2', s, Modality.IMU, 100.0) for s in found[:150]]; w.flush();"
        "[w.add('r2', s, Modality.IMU, 100.0) for s in found[150:]]; os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[3])
    assert done.returncode == -9
    found = read(path)["imu"]
    wanted = samples_of(Modality.IMU, seconds=2.0)[:150]
    assert [s.t_ns for s in found] == [s.t_ns for s in wanted]


def test_a_full_disk_ends_the_file_where_it_was_whole(tmp_path):
    """Breaks if a disk that fills up leaves a file that nobody can read, or a writer that says
    nothing of it."""
    path = tmp_path / "a.mcap"
    program = (
        "import resource, signal; from pathlib import Path; from tests.devices.drives import *;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        f"write(Path({str(path)!r}), drive())"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, stderr=-1, text=True)
    assert f"[Errno {errno.EFBIG}]" in done.stderr
    writer_s = path.stat().st_size
    assert writer_s <= 200_000
    found = read(path)
    assert len(found) == len(SENSED)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 200_000
    assert os.access(path, os.R_OK)


def test_nothing_is_written_over(tmp_path):
    """Breaks if a second recording of the same name takes the place of the first."""
    path = write(tmp_path / "a.mcap", samples_of(Modality.IMU, seconds=0.1))
    with pytest.raises(FileExistsError):
        RecordingWriter(path, LOSSLESS, {})
