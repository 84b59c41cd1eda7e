"""Samples put in order, against the obvious way and in the cases that hurt."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.windows.order import Order, Ordered
from tests.pipeline.windows.oracle import MS, T0, in_order, sample, schedules

PERIOD_NS = 30 * MS


def _numbers(ordered: list[Ordered]) -> list[int | None]:
    return [None if item is None else int(item.data) for item in ordered]


def _push_all(order: Order, times: list[int]) -> list[int | None]:
    return _numbers([x for n, t_ns in enumerate(times) for x in order.push(sample(t_ns, n))])


@settings(deadline=None)
@given(schedules(), st.sampled_from([0, 100, 400, 2000]))
def test_every_schedule_comes_out_in_order(times: list[int], lateness_ms: int) -> None:
    """Breaks if a sample is lost, doubled or out of order within the lateness."""
    order = Order(PERIOD_NS, lateness_ns=lateness_ms * MS)
    got = _push_all(order, times)
    got += _numbers(order.flush())
    assert got == in_order(times, lateness_ms * MS)


@settings(deadline=None)
@given(schedules(), st.sampled_from([0, 300]))
def test_every_sample_is_accounted_for(times: list[int], lateness_ms: int) -> None:
    """Breaks if a dropped sample is not counted, or counted twice."""
    order = Order(PERIOD_NS, lateness_ns=lateness_ms * MS)
    kept = len(_push_all(order, times)) + len(order.flush())
    stats = order.stats()
    assert stats["samples"] == len(times)
    assert kept + stats["late"] + stats["duplicate"] + stats["outlier"] == len(times)


def test_nothing_waits_without_lateness() -> None:
    """Breaks if a local driver's samples are held back."""
    order = Order(PERIOD_NS)
    for n in range(50):
        assert len(order.push(sample(T0 + n * PERIOD_NS, n))) == 1


def test_samples_that_changed_places_are_put_right_within_lateness() -> None:
    """Breaks if lateness does not do what it is for."""
    order = Order(PERIOD_NS, lateness_ns=100 * MS)
    assert _push_all(order, [T0, T0 + 60 * MS, T0 + 30 * MS, T0 + 200 * MS]) == [0, 2, 1]
    assert order.stats()["backward"] == 1
    assert order.stats()["late"] == 0


def test_one_wild_stamp_is_dropped_either_way() -> None:
    """Breaks if a single bad stamp ends the stream's time or starts it over."""
    for wild in (T0 + 10**15, 0, -(10**18)):
        order = Order(PERIOD_NS)
        times = [T0, T0 + PERIOD_NS, wild, T0 + 2 * PERIOD_NS]
        assert _push_all(order, times) == [0, 1, 3]
        assert order.stats()["outlier"] == 1
        assert order.stats()["restart"] == 0


def test_a_wild_first_stamp_starts_time_over() -> None:
    """Breaks if a stream whose first stamp was 0 begins with an outage of half a century."""
    order = Order(PERIOD_NS)
    assert _push_all(order, [0, T0, T0 + PERIOD_NS, T0 + 2 * PERIOD_NS]) == [0, None, 1, 2, 3]
    assert order.stats()["outlier"] == 1


def test_a_clock_set_back_starts_over_and_loses_nothing() -> None:
    """Breaks if all samples after a backward step are dropped for ever."""
    order = Order(PERIOD_NS, lateness_ns=50 * MS)
    before = [T0 + n * PERIOD_NS for n in range(4)]
    after = [T0 - 3600 * 10**9 + n * PERIOD_NS for n in range(4)]
    got = _push_all(order, before + after)
    assert [*got, *_numbers(order.flush())] == [0, 1, 2, 3, None, 4, 5, 6, 7]
    assert order.stats()["restart"] == 1


def test_an_outage_costs_no_sample() -> None:
    """Breaks if the first sample after a long silence is lost or taken for an error."""
    order = Order(PERIOD_NS)
    times = [T0, T0 + PERIOD_NS, T0 + 10**13, T0 + 10**13 + PERIOD_NS]
    assert _push_all(order, times) == [0, 1, 2, 3]
    assert order.stats()["outlier"] == 0


def test_a_stream_far_slower_than_declared_still_flows() -> None:
    """Breaks if a camera in the dark, a frame per 20 s where 30 Hz was declared, is dropped."""
    order = Order(PERIOD_NS)
    got = _push_all(order, [T0 + n * 20 * 10**9 for n in range(9)])
    assert [n for n in got if n is not None] == list(range(9))


def test_jitter_within_the_slack_is_not_disorder() -> None:
    """Breaks if a chunk of sound whose stamp jittered back a little is thrown away."""
    order = Order(PERIOD_NS, slack_ns=10 * MS)
    assert _push_all(order, [T0, T0 + 8 * MS, T0 + 6 * MS, T0 + 20 * MS]) == [0, 1, 2, 3]
    assert order.stats()["backward"] == 0
