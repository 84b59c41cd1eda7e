"""The line between a stream and its publisher: never blocks, bounded, closed set of messages."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest
import zmq

from bindstream.errors import ConfigError
from bindstream.types import Modality, Reason
from pipeline.link import (
    BACKLOG,
    Bye,
    Dropped,
    Encoded,
    Grant,
    Happened,
    Hello,
    Link,
    Opened,
    State,
    address,
    decode_upward,
    grant_bytes,
)

HELLO = Hello("front", "a", Modality.VISION, 500_000_000, 20.0)
MESSAGES = [
    HELLO,
    Opened("front", Modality.VISION, 3, 7, 1, 2),
    Encoded("front", 3, 7, 0, 1, 2, 3, 0.5, 4.0, "toy:0", "toy", b"\0\0\x80?"),
    Dropped("front", 3, 8, Reason.SUPERSEDED),
    State("front", Modality.VISION, 3, 99, "running", "", 20.0, 20.0, {"late": 1}),
    Happened("front", "stream_lost", 5, {"why": "unplugged", "n": [1, 2.5, None]}),
    Bye("front", 3),
]


@pytest.fixture
def publisher(tmp_path):
    endpoint = f"ipc://{tmp_path}/in"
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.bind(endpoint)
    yield endpoint, socket
    context.destroy(0)


def test_every_message_arrives_as_it_was_sent(publisher):
    """Breaks if a field is lost on the way from a stream to its publisher."""
    endpoint, socket = publisher
    link = Link(endpoint)
    for message in MESSAGES:
        link.send(message)
    got = [decode_upward(socket.recv_multipart()[1]) for _ in MESSAGES]
    link.close()
    assert got == MESSAGES
    assert link.lost == 0


def test_ask_returns_the_grant(publisher):
    """Breaks if a stream cannot learn its epoch and the robot's clock."""
    endpoint, socket = publisher
    link = Link(endpoint)

    def answer() -> None:
        sender, raw = socket.recv_multipart()
        assert decode_upward(raw) == HELLO
        socket.send_multipart([sender, grant_bytes(Grant(9, 1234))])

    thread = threading.Thread(target=answer)
    thread.start()
    assert link.ask(HELLO, 5.0) == Grant(9, 1234)
    thread.join()
    link.close()


def test_without_a_publisher_nothing_blocks_and_losses_are_counted(tmp_path):
    """Breaks if a stream stops, or fills its memory, while its publisher is away."""
    link = Link(f"ipc://{tmp_path}/nobody")
    assert link.ask(HELLO, 0.05) is None
    start_s = time.monotonic()
    for _ in range(BACKLOG + 500):
        link.send(MESSAGES[1])
    assert 400 <= link.lost <= 600
    link.close()
    assert time.monotonic() - start_s < 3.0
    lost = link.lost
    link.send(MESSAGES[1])
    assert link.lost == lost + 1  # a thread that comes late finds a closed line, not an error
    assert link.ask(HELLO, 0.05) is None
    link.close()


def test_close_delivers_what_was_sent(publisher):
    """Breaks if the goodbye of a draining stream is lost because its process ends at once."""
    endpoint, socket = publisher
    link = Link(endpoint)
    for seq in range(500):
        link.send(Dropped("front", 3, seq, Reason.SHUTDOWN))
    link.send(Bye("front", 3))
    link.close()
    got = [decode_upward(socket.recv_multipart(zmq.NOBLOCK)[1]) for _ in range(501)]
    assert got[-1] == Bye("front", 3)


@pytest.mark.parametrize(
    "raw", [b"", b"\xc1", b"\x80", msgspec.msgpack.encode({"type": "Evil"}), bytes(range(64))]
)
def test_what_is_no_message_of_ours_is_refused(raw):
    """Breaks if the publisher would take anything but the closed set."""
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        decode_upward(raw)


def test_too_long_a_socket_path_says_what_to_do(monkeypatch, tmp_path):
    """Breaks if a deep runtime directory ends in a riddle of the operating system."""
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / ("x" * 90)))
    with pytest.raises(ConfigError, match="set BINDSTREAM_RUNTIME_DIR"):
        address("rover")
