"""The reader against a real publisher's socket."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from bindstream import Subscriber, host, wire
from bindstream.errors import BindstreamError, ConfigError
from bindstream.types import Embedding, Event, Gap, Health, Scene, Tombstone
from bindstream.wire import Message
from tests.bindstream.messages import EVENT, HEALTH, SCENE, embedding, scene, tombstone
from tests.patience import PATIENCE_S


def _bind(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Bind as soon as a closed socket's address is free again: libzmq closes in its own time."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.bind(endpoint)
            return
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE or time.monotonic() > until_s:
                raise
            time.sleep(0.02)


class Publisher:
    """An XPUB socket that waits until its readers have subscribed."""

    def __init__(self, context: zmq.Context[Any], endpoint: str) -> None:
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.socket.setsockopt(zmq.SNDHWM, 100_000)
        _bind(self.socket, endpoint)
        self.endpoint = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def wait(self, n_topics: int = 2) -> None:
        """Wait for so many subscriptions."""
        while n_topics:
            assert self.socket.poll(1000 * PATIENCE_S)
            n_topics -= self.socket.recv()[0]  # 1 subscribes, 0 leaves

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.socket.send_multipart(wire.encode(message))


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as made:
        yield made


@pytest.fixture
def publisher(context: zmq.Context[Any]) -> Iterator[Publisher]:
    """Within the process: what is sent has arrived when ``send`` returns."""
    made = Publisher(context, "inproc://robot")
    yield made
    made.socket.close()


@pytest.fixture
def connect(context: zmq.Context[Any], publisher: Publisher) -> Iterator[Callable[..., Subscriber]]:
    made: list[Subscriber] = []

    def subscriber(**options: Any) -> Subscriber:
        made.append(Subscriber(publisher.endpoint, context=context, **options))
        publisher.wait(len(options["topics"]) if "topics" in options else 2)
        return made[-1]

    yield subscriber
    for one in made:
        one.close()


def _all(stream: Subscriber) -> list[Message]:
    got = []
    while (message := stream.receive(0.05)) is not None:
        got.append(message)
    return got


def _seqs(messages: list[Message]) -> list[int]:
    return [m.seq for m in messages if isinstance(m, Embedding | Scene | Tombstone)]


def test_embeddings_and_scenes_come_by_default(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if the plainest reader gets events and health, or misses scenes."""
    stream = connect()
    publisher.send(embedding(0), EVENT, HEALTH, SCENE, embedding(1))
    got = _all(stream)
    assert [type(m) for m in got] == [Embedding, Scene, Embedding]


def test_everything_comes_when_asked(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if the empty topic does not mean everything."""
    stream = connect(topics=[""])
    publisher.send(embedding(0), EVENT, HEALTH, SCENE)
    assert [type(m) for m in _all(stream)] == [Embedding, Event, Health, Scene]


def test_a_topic_selects_one_stream(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a reader of one camera pays for all."""
    stream = connect(topics=["embedding/demo/front/"])
    publisher.send(embedding(0), embedding(0, stream="front2"), SCENE)
    (got,) = _all(stream)
    assert isinstance(got, Embedding)
    assert got.stream == "front"


def test_tombstones_are_no_gaps_and_come_when_asked(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if what the robot dropped and announced is reported as lost on the way."""
    gaps: list[Gap] = []
    plain, full = connect(on_gap=gaps.append), connect(tombstones=True)
    publisher.send(embedding(0), tombstone(1), embedding(2))
    assert _seqs(_all(plain)) == [0, 2]
    assert _seqs(_all(full)) == [0, 1, 2]
    assert gaps == []
    assert plain.stats()["tombstones"] == 1


def test_gaps_are_told_before_the_message_that_shows_them(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if loss goes unseen, or is told too late to act on."""
    gaps: list[Gap] = []
    stream = connect(on_gap=gaps.append)
    publisher.send(embedding(4), embedding(8), scene(0), scene(1), embedding(9))
    first = stream.receive(1.0)
    assert isinstance(first, Embedding)
    assert gaps == []
    assert _seqs(_all(stream)) == [8, 0, 1, 9]
    assert gaps == [Gap("demo", "front", 3, 5, 7)]
    stats = stream.stats()
    assert (stats["gaps"], stats["lost"]) == (1, 3)
    assert stats["topics"]["embedding/demo/front/"]["lost"] == 3


def test_duplicates_and_backward_seqs_are_dropped(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a replayed or reordered message is given twice."""
    stream = connect()
    publisher.send(*(embedding(seq) for seq in (0, 1, 1, 0, 2)))
    publisher.send(embedding(7, epoch=2), embedding(0, epoch=4), embedding(3))
    assert _seqs(_all(stream)) == [0, 1, 2, 0]
    assert stream.stats()["duplicates"] == 4


def test_a_new_epoch_counts_from_zero(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a restarted sensor looks like loss, or loss after its restart is unseen."""
    gaps: list[Gap] = []
    stream = connect(on_gap=gaps.append)
    publisher.send(embedding(9), embedding(0, epoch=4), embedding(2, epoch=5))
    assert _seqs(_all(stream)) == [9, 0, 2]
    assert gaps == [Gap("demo", "front", 5, 0, 1)]


def test_malformed_messages_are_counted_and_skipped(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if one bad message ends the loop of a robot's program."""
    stream = connect()
    publisher.send(embedding(0))
    topic = b"embedding/demo/front/"
    for bad in ([topic], [topic, b"", b""], [topic, b"\xc1", b"x"], [topic, b"", b"", b""]):
        publisher.socket.send_multipart(bad)
    publisher.send(embedding(1))
    assert _seqs(_all(stream)) == [0, 1]
    stats = stream.stats()
    assert stats["malformed"] == 4
    assert "frames" in stats["last_malformed"]
    assert stats["topics"]["embedding/demo/front/"]["malformed"] == 4


def test_latest_keeps_the_newest_of_each_topic(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a slow reader works through a backlog of the past."""
    gaps: list[Gap] = []
    stream = connect(latest=True, on_gap=gaps.append)
    for seq in range(50):
        publisher.send(embedding(seq), scene(seq), embedding(seq, stream="rear"))
    assert _seqs(_all(stream)) == [49, 49, 49]
    assert gaps == []
    stats = stream.stats()
    assert (stats["received"], stats["skipped"], stats["gaps"]) == (150, 147, 0)


def test_latest_keeps_a_scene_of_each_space(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if the scenes of one encoder hide those of another from a slow reader."""
    stream = connect(latest=True)
    for seq in range(9):
        publisher.send(scene(seq), scene(seq, space_id="other:1", epoch=70))
    assert _seqs(_all(stream)) == [8, 8]
    stats = stream.stats()
    assert (stats["received"], stats["skipped"], stats["duplicates"]) == (18, 16, 0)


def test_latest_keeps_all_events(publisher: Publisher, connect: Callable[..., Subscriber]) -> None:
    """Breaks if an event is passed over because another came after it."""
    stream = connect(latest=True, topics=[""])
    publisher.send(embedding(0), EVENT, embedding(1), EVENT, EVENT)
    assert [type(m) for m in _all(stream)] == [Event, Embedding, Event, Event]
    publisher.send(EVENT, EVENT)
    assert len(_all(stream)) == 2


def test_latest_returns_though_the_flood_goes_on(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if draining never ends while the publisher is faster than the reader."""
    stream = connect(latest=True)
    publisher.send(*(embedding(seq) for seq in range(1000)))
    seen = _seqs(_all(stream))
    assert seen[-1] == 999
    assert len(seen) <= 3


def test_silence_ends_the_iteration_only_when_asked(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a script with a timeout hangs for ever."""
    stream = connect(timeout_s=0.05)
    publisher.send(embedding(0), embedding(1))
    assert _seqs(list(stream)) == [0, 1]
    assert stream.receive(0.0) is None


def test_age_is_stated_on_the_robots_own_host_alone(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if an age is missing where it is known, or made up where it is not."""
    here, far = connect(), connect(same_clock=False)
    end_ns = time.time_ns() - 40_000_000
    publisher.send(embedding(0, end_ns=end_ns))
    (near,) = _all(here)
    passed_ms = (time.time_ns() - end_ns) / 1e6
    (other,) = _all(far)
    assert isinstance(near, Embedding)
    assert isinstance(other, Embedding)
    assert near.age_ms is not None
    assert 40 <= near.age_ms <= passed_ms + 1
    assert other.age_ms is None
    assert other.received_ns > 0


@pytest.mark.parametrize(
    ("endpoint", "same"),
    [
        ("tcp://127.0.0.1:5570", True),
        ("tcp://localhost:5570", True),
        ("tcp://[::1]:5570", True),
        ("ipc:///tmp/robot", True),
        ("tcp://192.0.2.7:5570", False),
        ("tcp://127.example.org:5570", False),
        ("tcp://localhost.example.org:5570", False),
    ],
)
def test_which_endpoints_share_the_clock(endpoint: str, same: bool) -> None:
    """Breaks if a stranger's clock is taken for ours because of its name."""
    from bindstream import subscriber

    assert subscriber._same_host(endpoint) is same


def test_a_long_topic_is_refused() -> None:
    """Breaks if a topic reaches libzmq that crashes the whole process."""
    with pytest.raises(ConfigError, match="300 bytes, at most 255"):
        Subscriber(topics=["x" * 300])
    with pytest.raises(ConfigError, match="256 bytes"):
        Subscriber(topics=["ä" * 128])
    Subscriber(topics="x" * 255).close()


def test_no_topics_are_refused() -> None:
    """Breaks if a reader waits for ever for nothing."""
    with pytest.raises(ConfigError, match="no topics"):
        Subscriber(topics=[])


@pytest.mark.parametrize("endpoint", ["", "robot", "tcp://", "tcp://nowhere", "http://robot:1"])
def test_an_endpoint_that_cannot_be_is_refused(endpoint: str) -> None:
    """Breaks if a mistyped endpoint waits in silence, or leaks a socket."""
    with pytest.raises(ConfigError, match=r"cannot subscribe to|is no endpoint"):
        Subscriber(endpoint)


def test_closed_is_closed(publisher: Publisher, connect: Callable[..., Subscriber]) -> None:
    """Breaks if a closed reader hangs, or closing twice is an error."""
    stream = connect()
    stream.close()
    stream.close()
    assert list(stream) == []
    with pytest.raises(BindstreamError, match="closed"):
        stream.receive(0.1)


def test_the_publisher_may_come_late_and_come_back(context: zmq.Context[Any]) -> None:
    """Breaks if the order of starting matters, or a restart of the robot ends the reader."""
    first = Publisher(context, "tcp://127.0.0.1:0")
    endpoint = first.endpoint
    first.socket.close()
    with Subscriber(endpoint) as stream:
        assert stream.receive(0.1) is None
        for epoch in (1, 2):
            robot = Publisher(context, endpoint)
            while not robot.socket.poll(10):  # libzmq subscribes again as the reader reads
                assert stream.receive(0.01) is None
            robot.wait()
            robot.send(embedding(0, epoch=epoch))
            got = stream.receive(PATIENCE_S)
            assert isinstance(got, Embedding)
            assert got.epoch == epoch
            robot.socket.close()


def test_a_message_beyond_all_bounds_is_skipped(context: zmq.Context[Any]) -> None:
    """Breaks if one absurd message parts a reader from its robot for good."""
    robot = Publisher(context, "tcp://127.0.0.1:0")
    with Subscriber(robot.endpoint) as stream:
        robot.wait()
        robot.socket.send_multipart([b"embedding/demo/front/", b"", bytes(32 << 20)])
        robot.send(embedding(0))
        assert isinstance(stream.receive(PATIENCE_S), Embedding)
        assert stream.stats()["malformed"] == 1
    robot.socket.close()


def test_a_hundred_readers_leave_nothing_behind() -> None:
    """Breaks if a reader that is closed keeps threads or files."""

    def held() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    Subscriber("tcp://127.0.0.1:9").close()
    before = held()
    for _ in range(100):
        with Subscriber("tcp://127.0.0.1:9") as stream:
            assert stream.receive(0.0) is None
    assert held() <= before


def test_a_signal_handled_elsewhere_does_not_end_the_wait(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a timer or a child's end raises in the reader, or eats its timeout."""
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    try:
        stream = connect()
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        began = time.monotonic()
        assert stream.receive(0.3) is None
        assert time.monotonic() - began >= 0.29
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung


READER = """
import sys
from bindstream import Subscriber
with Subscriber(sys.argv[1]) as stream:
    print("ready", flush=True)
    for message in stream:
        print(message.seq, flush=True)
"""


def test_ctrl_c_ends_a_waiting_reader_cleanly(context: zmq.Context[Any]) -> None:
    """Breaks if Ctrl-C hangs in libzmq, or needs to be pressed twice."""
    robot = Publisher(context, "tcp://127.0.0.1:0")
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, robot.endpoint],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        robot.wait()
        robot.send(embedding(5))
        assert reader.stdout.readline() == "5\n"
        reader.send_signal(signal.SIGINT)
        _, errors = reader.communicate(timeout=PATIENCE_S)
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert reader.returncode == -signal.SIGINT
    finally:
        reader.kill()
        reader.communicate()
        robot.socket.close()


def test_a_message_of_a_kind_to_come_is_not_malformed(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a newer robot's messages look like damage on the line."""
    stream = connect(topics=[""])
    header = msgspec.msgpack.encode({"v": 1, "kind": "answer", "robot": "demo"})
    publisher.socket.send_multipart([b"answer/demo/", header, b""])
    publisher.send(embedding(0))
    assert _seqs(_all(stream)) == [0]
    stats = stream.stats()
    assert (stats["malformed"], stats["unknown_kinds"]) == (0, 1)


def test_a_robot_that_lost_its_counters_is_heard_and_told(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a reader that stayed connected takes a new life's messages for duplicates."""
    gaps: list[Gap] = []
    stream = connect(on_gap=gaps.append)
    publisher.send(embedding(9, epoch=7, life="a"), embedding(1, epoch=1, life="b"))
    publisher.send(embedding(2, epoch=1, life="b"))
    assert _seqs(_all(stream)) == [9, 1, 2]
    assert gaps == [Gap("demo", "front", 1, 0, 0)]
    assert stream.stats()["reborn"] == 1


def test_ages_of_this_host_outlive_a_clock_that_was_set(
    publisher: Publisher, connect: Callable[..., Subscriber]
) -> None:
    """Breaks if a wall clock that was set by an hour makes ages of an hour."""
    stream = connect()
    offset_ns = time.time_ns() - time.monotonic_ns() - 3_600_000_000_000
    now_ns = time.monotonic_ns() + offset_ns
    sent = embedding(0, start_ns=now_ns, end_ns=now_ns, life=host.boot() + "1234")
    publisher.socket.send_multipart(wire.encode(sent, offset_ns=offset_ns))
    got = stream.receive(PATIENCE_S)
    assert isinstance(got, Embedding)
    assert got.age_ms is not None
    assert 0 <= got.age_ms < 60_000
