"""A user's loop feeds a stream: over a real socket, from another process too."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time

import msgspec
import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from bindstream import Feed
from bindstream.errors import ConfigError, DeviceUnavailable, InvalidInput
from bindstream.feed import Header, Inbox, address, formed
from bindstream.types import Modality
from tests.patience import PATIENCE_S, until


@pytest.fixture(autouse=True)
def own_runtime_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def pair():
    """Opens an inbox and a feed of one name, connected."""
    opened = []

    def open_pair(modality):
        inbox, feed = Inbox("mine", modality), Feed("mine", modality)
        opened.extend((feed, inbox))
        time.sleep(0.15)  # ZeroMQ connects in the background
        return feed, inbox

    yield open_pair
    for end in opened:
        end.close()


def until_taken(feed, frame, t_ns=None):
    """Push, and again where the queue was full: a busy machine empties it late."""
    until(lambda: feed.push(frame, t_ns))


def test_frames_arrive_as_they_were(pair):
    """Breaks if bytes, shape, order or the given time change on the way."""
    feed, inbox = pair("vision")
    frames = np.random.default_rng(1).integers(0, 256, (2, 90, 160, 3), np.uint8)
    for index, frame in enumerate(frames):
        until_taken(feed, frame, 1000 + index)
        (received,) = inbox.receive(PATIENCE_S)
        assert np.array_equal(received.data, frame)
        assert received.t_ns == 1000 + index
    pushed_ns = time.monotonic_ns()
    until_taken(feed, frames[0][:, ::-1])  # not contiguous
    (received,) = inbox.receive(PATIENCE_S)
    assert np.array_equal(received.data, frames[0][:, ::-1])
    assert received.t_ns is None
    assert pushed_ns <= received.sent_ns <= time.monotonic_ns()


def test_three_lines_in_another_process_are_enough(tmp_path):
    """Breaks if the documented three lines do not feed a stream."""
    inbox = Inbox("my_camera", "vision")
    program = """if True:
        import numpy, time
        frame = numpy.full((4, 5, 3), 7, numpy.uint8)
        from bindstream import Feed
        feed = Feed("my_camera", modality="vision")
        while not feed.push(frame):
            time.sleep(0.01)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", program]) as child:
        (received,) = inbox.receive(PATIENCE_S)
        child.kill()
    inbox.close()
    assert received.data.shape == (4, 5, 3)
    assert (received.data == 7).all()


def test_push_never_blocks_and_counts_what_it_drops(pair):
    """Breaks if a robot that does not read stops the user's loop, or memory grows."""
    feed = Feed("alone")
    frame = np.zeros((480, 640, 3), np.uint8)
    assert not any(feed.push(frame) for _ in range(50))
    assert feed.dropped == 50
    feed.close()
    feed, inbox = pair("vision")
    for _ in range(200):  # a push that blocks would never return: nobody reads
        feed.push(frame)
    assert feed.dropped > 150
    assert feed.sent + feed.dropped == 200
    time.sleep(0.2)
    assert len(inbox.receive(0.1)) <= feed.sent


def test_a_feed_finds_a_robot_that_starts_later_and_again():
    """Breaks if the order of starting matters, or a restart of the robot ends the feed."""
    feed = Feed("late", "imu")
    for _ in range(2):
        inbox = Inbox("late", "imu")
        until(lambda take=inbox.receive: feed.push([1, 2, 3, 4, 5, 6]) and take(0.05))
        inbox.close()
    feed.close()


def test_a_name_has_one_receiver():
    """Breaks if a second robot silently takes the frames of the first."""
    inbox = Inbox("one", "depth")
    with pytest.raises(DeviceUnavailable, match="busy"):
        Inbox("one", "depth")
    inbox.close()
    inbox.close()
    Inbox("one", "depth").close()


def test_a_killed_receiver_leaves_no_lock(tmp_path):
    """Breaks if a crash keeps the name taken."""
    program = "import os; from bindstream.feed import Inbox; Inbox('k', 'imu'); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 9
    Inbox("k", "imu").close()


@pytest.mark.parametrize(
    ("modality", "data", "said"),
    [
        ("vision", np.zeros((4, 4, 3), np.float32), "uint8 RGB, got float32"),
        ("vision", np.zeros((4, 4), np.uint8), r"\(4, 4\)"),
        ("audio", np.zeros(5, np.int16), "float32 in"),
        ("audio", np.zeros((5, 2), np.float32), r"\(5, 2\)"),
        ("depth", np.zeros((4, 4), np.uint16), "metres"),
        ("thermal", np.zeros((4, 4), np.uint16), "kelvin"),
        ("thermal", np.full((4, 4), np.nan), "finite"),
        ("imu", np.zeros(5), r"\(6,\)"),
        ("imu", [0, 0, 9.8, 0, 0, float("inf")], "finite"),
        ("imu", "no", "m/s2"),
    ],
)
def test_wrong_data_is_refused_at_the_sender(modality, data, said):
    """Breaks if the user learns of a wrong frame from the robot's log, or never."""
    feed = Feed("f", modality)
    with pytest.raises(InvalidInput, match=said):
        feed.push(data)
    feed.close()


def test_wrong_names_and_modalities_are_refused(tmp_path, monkeypatch):
    """Breaks if a name could leave the runtime directory, or a path be cut off by the kernel."""
    with pytest.raises(ConfigError, match="name"):
        Feed("../evil")
    with pytest.raises(ConfigError, match="wanted one of vision"):
        Feed("f", "text")
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / ("d" * 80)))
    with pytest.raises(ConfigError, match="too long"):
        address("f")


def test_depth_holes_and_conversions():
    """Breaks if NaN depth travels, or float64 readings must be converted by hand."""
    assert formed(Modality.DEPTH, np.array([[np.nan, 2.0]])).tolist() == [[0, 2]]
    assert formed(Modality.IMU, [0, 0, 10, 0, 0, 0]).dtype == np.float32


@pytest.mark.parametrize(
    ("modality", "data", "says"),
    [
        ("depth", np.full((4, 4), 2150.0), "these seem to be millimetres"),
        ("depth", np.full((4, 4), 2150, np.uint16), r"got uint16 of shape \(4, 4\); convert it"),
        ("thermal", np.full((4, 4), 22.5), "these seem to be Celsius"),
        ("thermal", np.full((4, 4), 29500.0), r"steps of 0\.01 K"),
        ("thermal", np.full((4, 4), np.inf), "finite numbers"),
        ("audio", np.full(160, 12000.0), "divide 16 bits by 32768"),
        ("imu", [0, 0, 1e30, 0, 0, 0], r"got 1e\+30 and 0"),
        ("imu", [0, 0, 9.8, 0, 0, 2000], "at most 3923 m/s2 and 300 rad/s, got 9.8 and 2e"),
        ("depth", np.full((4, 4), 1e300), None),
        ("depth", np.zeros((4, 4)), None),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_pushed(modality, data, says):
    """Breaks if values of another unit, or of no sensor at all, are embedded."""
    if says is None:  # holes alone: a covered lens
        assert not formed(Modality(modality), data).any()
        return
    with pytest.raises(InvalidInput, match=f"^{modality}: wanted.*{says}"):
        formed(Modality(modality), data)


def good_header(**changes):
    """Of a (2, 3) depth frame."""
    fields = {"v": 1, "modality": "depth", "dtype": "<f4", "shape": (2, 3), "t_ns": None}
    return Header(**(fields | {"sent_ns": 1} | changes))


@pytest.mark.parametrize(
    "parts",
    [
        [b"x"],
        [b"\xc1", bytes(24)],
        [msgspec.msgpack.encode(good_header()), bytes(23)],
        [msgspec.msgpack.encode(good_header(v=2)), bytes(24)],
        [msgspec.msgpack.encode(good_header(modality="vision")), bytes(24)],
        [msgspec.msgpack.encode(good_header(dtype="|O8")), bytes(24)],
        [msgspec.msgpack.encode(good_header(shape=(-2, -3))), bytes(24)],
        [msgspec.msgpack.encode(good_header(shape=(2**40, 2**40))), bytes(24)],
        [msgspec.msgpack.encode(good_header(shape=(6,))), bytes(24)],
        [msgspec.msgpack.encode(good_header()), bytes(24), b""],
        [bytes(2000), bytes(24)],
    ],
)
def test_strange_messages_are_counted_and_harm_nothing(parts):
    """Breaks if bytes from another program can end the stream or become a frame."""
    inbox = Inbox("s", "depth")
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.connect(f"ipc://{address('s')}")
    socket.send_multipart(parts)
    socket.send_multipart([msgspec.msgpack.encode(good_header()), bytes(24)])
    received = until(lambda: inbox.receive(0.2))
    socket.close(0)
    context.term()
    inbox.close()
    assert inbox.rejected == 1
    assert inbox.why
    assert received[0].data.shape == (2, 3)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3))
def test_no_bytes_raise_anything_unforeseen(parts):
    """Breaks if some bytes raise an error that receive() does not count."""
    inbox = object.__new__(Inbox)
    inbox._modality = Modality.DEPTH
    with pytest.raises((ValueError, TypeError, msgspec.MsgspecError, InvalidInput)):
        inbox._open([memoryview(part) for part in parts])


def test_the_folder_is_private():
    """Breaks if another user could feed this robot."""
    path = address("f")
    assert os.stat(path.parent).st_mode & 0o077 == 0  # noqa: PTH116


def test_a_failed_bind_leaves_the_name_free():
    """Breaks if the lock outlives an Inbox that could not bind: the name would be busy for as long
    as the process lives."""
    path = address("mine")
    path.mkdir(parents=True)
    with pytest.raises(DeviceUnavailable, match="no socket can be made"):
        Inbox("mine", "vision")
    path.rmdir()
    Inbox("mine", "vision").close()


@pytest.mark.parametrize(
    "t_ns", [np.int64(7), np.uint64(7), np.float64(7), 7.0, np.array(7), np.int32(7)]
)
def test_a_time_of_anybodys_type_arrives_as_a_whole_number(pair, t_ns):
    """Breaks if a time computed by NumPy ends the user's loop, or is refused at the robot alone."""
    feed, inbox = pair("vision")
    until_taken(feed, np.zeros((8, 8, 3), np.uint8), t_ns)
    got = inbox.receive(PATIENCE_S)
    assert (got[0].t_ns, type(got[0].t_ns)) == (7, int)


@pytest.mark.parametrize("t_ns", [True, -1, math.nan, math.inf, "7", 2**63, 10**400, [7], object()])
def test_what_is_no_time_is_refused_where_it_is_pushed(pair, t_ns):
    """Breaks if it is sent, to be refused where the user does not look, or raises TypeError."""
    feed, _ = pair("imu")
    with pytest.raises(InvalidInput, match="t_ns: wanted nanoseconds"):
        feed.push(np.array([0, 0, 9.8, 0, 0, 0]), t_ns)


def test_masked_pixels_are_holes_in_depth_and_refused_elsewhere():
    """Breaks if what lies under a mask is taken for measured."""
    masked = np.ma.array(np.full((4, 4), 2.0), mask=np.eye(4, dtype=bool))
    assert np.array_equal(formed(Modality.DEPTH, masked), np.where(np.eye(4), 0, 2))
    with pytest.raises(InvalidInput, match="4 values are masked"):
        formed(Modality.THERMAL, masked + 300)


def test_what_is_no_array_is_refused_in_words():
    """Breaks if a ragged list ends the user's loop in NumPy's words."""
    with pytest.raises(InvalidInput, match="list is no array"):
        formed(Modality.IMU, [[1], [1, 2]])
