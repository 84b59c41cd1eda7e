"""The queue before an encoder, without a thread or an encoder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from bindstream.types import Modality, Window
from encoders.waiting import Queue, Waiting
from tests.encoders.test_batcher import window


@pytest.fixture
def waiting() -> Iterator[Callable[..., Waiting]]:
    """Windows that somebody waits for."""
    loop = asyncio.new_event_loop()

    def made(one: Window, expires_in_s: float = 60.0) -> Waiting:
        now_s = time.monotonic()
        return Waiting(one, now_s, now_s + expires_in_s, loop.create_future())

    yield made
    loop.close()


def seqs(many: list[Waiting]) -> list[int]:
    return [w.window.seq for w in many]


def test_a_batch_is_alike_bounded_and_in_turn(waiting: Callable[..., Waiting]) -> None:
    """Breaks if the encoder is handed what it cannot stack, or a stream is passed over."""
    queue = Queue()
    kinds = [Modality.DEPTH, Modality.THERMAL, Modality.DEPTH, Modality.DEPTH]
    for seq, kind in enumerate(kinds):
        assert queue.put(waiting(window(seq, kind))) is None
    assert [seqs(queue.take(2)[0]) for _ in range(4)] == [[0, 2], [1], [3], []]
    assert queue.oldest_s() is None


def test_the_older_window_of_a_stream_gives_way_whichever_came_first(
    waiting: Callable[..., Waiting],
) -> None:
    """Breaks if a call that was overtaken on its way puts an old picture before the encoder."""
    queue = Queue()
    new = waiting(replace(window(2, stream="a"), end_ns=9))
    old = waiting(replace(window(1, stream="a"), end_ns=5))
    assert queue.put(new) is None
    assert queue.put(old) is old
    assert queue.take(4) == ([new], [])


def test_what_is_late_is_told_apart_from_what_nobody_wants(waiting: Callable[..., Waiting]) -> None:
    """Breaks if a window that was given up is answered, or one that expired is not."""
    queue = Queue()
    late, left, good = waiting(window(0), -1.0), waiting(window(1)), waiting(window(2))
    for one in (late, left, good):
        queue.put(one)
    left.future.cancel()
    assert queue.oldest_s() == late.arrived_s
    assert queue.take(4) == ([good], [late])
