"""The latest-wins slot, alone and between threads."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline.latest import LatestSlot


def test_the_newer_supersedes_the_older() -> None:
    """Breaks if a stale window is encoded while a newer one waits, or vanishes uncounted."""
    slot: LatestSlot[int] = LatestSlot()
    assert slot.put(1) is None
    assert slot.put(2) == 1
    assert slot.take() == 2
    assert slot.take() is None


def test_no_more_than_the_limit_are_out() -> None:
    """Breaks if a slow encoder gets an unbounded queue."""
    slot: LatestSlot[int] = LatestSlot(in_flight=2)
    for n in range(2):
        slot.put(n)
        assert slot.take() == n
    slot.put(2)
    assert slot.take() is None
    slot.done()
    assert slot.take() == 2


def test_an_offer_waits_for_its_place_and_supersedes_nothing() -> None:
    """Breaks if a recording's window takes another's place, or is lost when the slot closes."""
    slot: LatestSlot[int] = LatestSlot()
    assert slot.offer(1, 0.0)
    assert not slot.offer(2, 0.01)
    offered: list[bool] = []
    thread = threading.Thread(target=lambda: offered.append(slot.offer(2, 10.0)))
    thread.start()
    assert slot.take() == 1
    thread.join(10.0)
    assert offered == [True]
    assert not slot.is_idle()
    slot.done()
    assert slot.take() == 2
    slot.done()
    assert slot.is_idle()
    slot.close()
    assert not slot.offer(3, 10.0)


def test_falsy_items_are_items() -> None:
    """Breaks if an item is mistaken for an empty slot."""
    slot: LatestSlot[int] = LatestSlot()
    slot.put(0)
    assert slot.put(1) == 0


def test_take_waits_for_an_item_and_for_room() -> None:
    """Breaks if a waiting thread is not woken, or spins."""
    slot: LatestSlot[int] = LatestSlot()
    got: list[int | None] = []
    thread = threading.Thread(target=lambda: got.extend(slot.take(10.0) for _ in range(2)))
    thread.start()
    slot.put(1)
    while not got:
        time.sleep(0.001)
    slot.put(2)
    slot.done()
    thread.join(10.0)
    assert got == [1, 2]


def test_close_wakes_who_waits_and_hands_back_what_was_left() -> None:
    """Breaks if a drain hangs, or the last window gets no outcome."""
    slot: LatestSlot[int] = LatestSlot()
    got: list[int | None] = []
    thread = threading.Thread(target=lambda: got.append(slot.take(None)))
    thread.start()
    assert slot.close() is None
    thread.join(10.0)
    assert got == [None]
    assert slot.put(5) == 5

    full: LatestSlot[int] = LatestSlot()
    full.put(9)
    assert full.close() == 9


def test_done_without_take_is_an_error() -> None:
    """Breaks if a bookkeeping mistake lifts the limit unseen."""
    with pytest.raises(RuntimeError, match="without a take"):
        LatestSlot().done()


def test_a_limit_below_one_is_refused() -> None:
    """Breaks if a stream is configured that can never send."""
    with pytest.raises(ValueError, match="at least 1"):
        LatestSlot(in_flight=0)


def test_an_item_is_the_newest_until_another_is_put():
    """Breaks if an item that is out already does not hear of its successor, or waits past it."""
    slot: LatestSlot[str] = LatestSlot(2)
    slot.put("first")
    assert slot.take() == "first"
    assert slot.is_newest("first", 0.01)
    threading.Timer(0.05, lambda: slot.put("second")).start()
    assert not slot.is_newest("first", 60.0)
    assert slot.take() == "second"
    assert not slot.is_newest("first", 0.0)
    slot.close()
    assert slot.is_newest("second", 60.0)  # and nobody waits for what cannot come


def test_every_item_has_one_fate_under_many_threads() -> None:
    """Breaks if an item is lost, taken twice, or the limit exceeded in a race."""
    slot: LatestSlot[int] = LatestSlot(in_flight=2)
    taken: list[int] = []
    superseded: list[int] = []
    out: list[int] = []
    most_out = []

    def consume() -> None:
        while True:
            item = slot.take(None)
            if item is None:
                return
            out.append(item)
            most_out.append(len(out))
            taken.append(item)
            out.remove(item)
            slot.done()

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(5000):
        if n % 50 == 0:
            time.sleep(0.0002)  # let the others have some
        old = slot.put(n)
        if old is not None:
            superseded.append(old)
    left = slot.close()
    for thread in threads:
        thread.join(10.0)
    fates = taken + superseded + ([] if left is None else [left])
    assert sorted(fates) == list(range(5000))
    assert max(most_out) <= 2
