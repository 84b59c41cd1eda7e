"""Which call of a driver is running, and whether that is still well."""

from __future__ import annotations

from pipeline.sensing.watch import HUNG_S, SLOW_S, STUCK_S, Watch


def test_a_call_is_borne_as_long_as_its_state_allows() -> None:
    """Breaks if a slow opening is called a hang, a hanging read is not, or what a driver did before
    is held against it."""
    watch = Watch(100.0)
    assert watch.hangs("opening", 1000.0) == ""  # it is in no call
    watch.enter("open", 100.0)
    assert watch.drags(100.0 + SLOW_S) == ""
    assert watch.drags(104.0) == "the driver's open has not returned for 4 s"
    assert watch.hangs("opening", 100.0 + STUCK_S["opening"]) == ""
    assert watch.hangs("opening", 120.0) == "the driver's open has not returned for 20 s"
    watch.enter("read", 120.0)
    assert watch.hangs("running", 120.0 + STUCK_S["running"]) == ""
    assert watch.hangs("running", 123.0) == "the driver's read has not returned for 3 s"
    assert watch.hangs("paused", 123.0)  # whatever the state: it should have closed
    watch.leave()
    assert watch.hangs("running", 999.0) == watch.drags(999.0) == ""


def test_a_thread_that_is_nowhere_is_beyond_hope_all_the_same() -> None:
    """Breaks if only a hanging call, and not a thread that stands still, fails the health check."""
    watch = Watch(0.0)
    watch.beat(10.0)
    assert watch.hung_s(10.0 + HUNG_S) == 0.0
    assert watch.hung_s(11.0 + HUNG_S) == HUNG_S + 1
    watch.enter("read", 200.0)
    watch.leave()
    assert watch.since_s == 200.0
