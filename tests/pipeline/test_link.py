"""The line between a stream and its publisher: never blocks, bounded, closed set of messages."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest
import zmq

from bindstream.errors import ConfigError
from bindstream.types import Embedding, Modality, Reason, Tombstone
from pipeline.link import FLUSH_S, Link, address
from pipeline.messages import (
    About,
    Bye,
    Grant,
    Happened,
    Hello,
    Introduce,
    Progress,
    Resume,
    Settled,
    State,
    decode_upward,
    encode,
)
from pipeline.outbox import MOST, Outbox
from tests.patience import PATIENCE_S, Stalls
from tests.pipeline.messages import dropped, encoded, opened, plain

ABOUT = About(Modality.VISION, 500_000_000, 5_000_000_000, app="front")
HELLO = Hello("front", "a", ABOUT)
MESSAGES = [
    HELLO,
    opened(3, 7, 1, 2),
    encoded(opened(3, 7, 1, 2)),
    dropped(opened(3, 8, 2, 3)),
    State("front", 3, 99, "running", "", 20.0, 20.0, {"late": 1}),
    Happened("front", "stream_lost", 5, {"why": "unplugged", "n": [1, 2.5, None]}),
    Progress("front", 3, 5),
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
    assert [plain(m) for m in got] == [plain(m) for m in MESSAGES]
    assert link.lost == 0


def test_ask_returns_the_grant(publisher):
    """Breaks if a stream cannot learn its epoch and the robot's clock."""
    endpoint, socket = publisher
    link = Link(endpoint)

    def answer() -> None:
        sender, raw = socket.recv_multipart()
        assert decode_upward(raw) == HELLO
        socket.send_multipart([sender, encode(Grant(9, 1234))])

    thread = threading.Thread(target=answer)
    thread.start()
    assert link.ask(HELLO, PATIENCE_S) == Grant(9, 1234)
    thread.join()
    link.close()


def test_without_a_publisher_nothing_blocks_and_losses_are_counted(tmp_path):
    """Breaks if a stream stops, or fills its memory, while its publisher is away."""
    link = Link(f"ipc://{tmp_path}/nobody")
    assert link.ask(HELLO, 0.05) is None
    for seq in range(MOST + 500):
        link.send(opened(3, seq, 1, 2))
    assert link.lost == 500
    for _ in range(500):
        link.send(MESSAGES[-2])
    assert link.lost >= 1000 - 5
    start_s = time.monotonic()
    with Stalls() as stalls:
        link.close()
        took_s = time.monotonic() - start_s
    assert took_s < FLUSH_S + 1.0 + stalls.lost_s()
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
        link.send(dropped(opened(3, seq), Reason.SHUTDOWN))
    link.send(Bye("front", 3))
    link.close()
    got = upward(socket, 501)
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


def answer(socket, reply):
    """Take one message of the stream, and answer it."""
    sender, raw = socket.recv_multipart()
    socket.send_multipart([sender, encode(reply)])
    return decode_upward(raw)


def upward(socket, n):
    got = []
    while len(got) < n:
        assert socket.poll(1000 * PATIENCE_S), f"{len(got)} of {n}: {got}"
        got.append(decode_upward(socket.recv_multipart()[1]))
    return got


@pytest.fixture
def linked(publisher):
    """A stream that was granted epoch 9 by the life 'one'."""
    endpoint, socket = publisher
    link = Link(endpoint)
    thread = threading.Thread(target=answer, args=(socket, Grant(9, 1234, "one")))
    thread.start()
    assert link.ask(HELLO, PATIENCE_S) == Grant(9, 1234, "one")
    thread.join()
    yield link, socket
    link.close()


def heard(link):
    """Listen until something was taken in."""
    assert link._socket.poll(1000 * PATIENCE_S)
    link.listen()


def vector(seq):
    return encoded(opened(9, seq))


def test_a_new_publisher_is_told_again_what_no_publisher_settled(linked):
    """Breaks if what was sent to a publisher that died is lost: a gap that nobody accounts for."""
    link, socket = linked
    said = [opened(9, 0, 1, 2), vector(0), opened(9, 1, 2, 3)]
    said += [opened(9, 2, 3, 4), dropped(opened(9, 1, 2, 3))]
    for message in said[:-1]:
        link.send(message)
    for _ in said[:-2]:
        socket.recv_multipart()
    answer(socket, Settled(9, 0))
    heard(link)
    link.send(said[-1])
    answer(socket, Introduce("two"))  # the predecessor died with all that
    heard(link)
    again = [Resume("front", "a", ABOUT, 9, 1234, next_seq=1), *said[2:]]
    assert upward(socket, 4) == again
    link.send(vector(2))
    answer(socket, Introduce("two"))  # asked once more: it has been told
    heard(link)
    link.send(MESSAGES[-2])
    assert upward(socket, 1) == [MESSAGES[-2]]


def test_a_publisher_that_did_not_get_the_answer_gets_another(linked):
    """Breaks if a stream whose introduction got lost is unknown to its publisher for ever."""
    link, socket = linked
    link.send(opened(9, 0, 1, 2))
    upward(socket, 1)
    told = [Resume("front", "a", ABOUT, 9, 1234, next_seq=0), opened(9, 0, 1, 2)]
    for ask in (Introduce("two"), Introduce("two", again=True)):
        link.send(MESSAGES[-2])  # of which the publisher can tell whom to ask
        answer(socket, ask)
        heard(link)
        assert upward(socket, 2) == told


def test_its_own_publisher_is_not_told_twice(linked):
    """Breaks if every window comes twice because a message crossed another."""
    link, socket = linked
    link.send(opened(9, 0, 1, 2))
    answer(socket, Introduce("one"))
    heard(link)
    link.send(MESSAGES[-2])
    assert upward(socket, 1) == [MESSAGES[-2]]


def test_what_did_not_fit_goes_out_when_there_is_room(publisher):
    """Breaks if windows beyond ZeroMQ's backlog are lost while the publisher stands still."""
    endpoint, socket = publisher
    socket.setsockopt(zmq.RCVHWM, 1)
    link = Link(endpoint)
    link.send(Bye("front", 8))
    upward(socket, 1)  # connected
    said = [opened(9, seq, 1, 2) for seq in range(MOST)]
    for message in said:
        link.send(message)
    got = []
    while len(got) < MOST:
        link.listen()
        got += upward(socket, 1)
    assert got == said
    assert link.lost == 0
    link.close()


def test_of_old_windows_the_vectors_are_not_kept(linked):
    """Breaks if a stream whose publisher is away fills its memory with vectors that are no news,
    or forgets the windows themselves."""
    link, socket = linked
    for seq in range(100):
        link.send(opened(9, seq, 1, 2))
        link.send(vector(seq))
    upward(socket, 199)
    answer(socket, Introduce("two"))
    heard(link)
    resume, *again = upward(socket, 201)
    assert resume == Resume("front", "a", ABOUT, 9, 1234, next_seq=0)
    assert [m.seq for m in again[1::2]] == list(range(100))
    kinds = [type(m) for m in again[1::2]]
    assert kinds == [Tombstone] * 92 + [Embedding] * 8
    assert {m.reason for m in again if isinstance(m, Tombstone)} == {Reason.SUPERSEDED}


def test_of_a_recording_no_vector_fades():
    """Breaks if what was encoded while no publisher was there is said to be superseded, where the
    windows are bounded by their stream's waiting."""
    outbox = Outbox()
    outbox.keeps_all = True
    for seq in range(16):
        outbox.add(opened(7, seq))
        outbox.add(encoded(opened(7, seq)))
    assert outbox.unsettled == 16
    assert [m.seq for m in outbox.unsent() if isinstance(m, Embedding)] == list(range(16))
    outbox.settle(11)
    assert outbox.unsettled == 4
