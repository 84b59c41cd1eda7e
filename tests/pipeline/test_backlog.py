"""A stream that stood still, and finds what came meanwhile: latest wins then too."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bindstream.types import Embedding, Reason, Sample, Tombstone
from pipeline import asker
from tests.pipeline.robot import HOP_S, Probe, Robot
from tests.pipeline.test_ingest import sums_hold

STEP_NS = 50_000_000


class Halted(Probe):
    """Gives nothing for ``halt_s`` when it is told to, as when its process is stopped; then all of
    that time, at once or frame by frame."""

    halt_s = 0.0
    at_once = True
    halted_ns = went_on_ns = 0

    def read(self, timeout_s: float) -> list[Sample]:
        if self._owed:
            return [self._owed.pop(0)]
        if not self.halt_s:
            return super().read(timeout_s)
        type(self).halted_ns = before_ns = self._now_ns()
        time.sleep(self.halt_s)
        type(self).halt_s = 0.0
        type(self).went_on_ns = now_ns = self._now_ns()
        frame = np.full((4, 4), 2.0, np.float32)
        times_ns = range(before_ns + STEP_NS, now_ns, STEP_NS)
        self._owed = [Sample(self._stream, t_ns, frame, now_ns) for t_ns in times_ns]
        given, self._owed = (self._owed, []) if self.at_once else ([], self._owed)
        return given

    _owed: list[Sample] = []  # noqa: RUF012


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("in_flight", [1, 2])
def test_of_a_backlog_the_newest_window_alone_is_encoded(at_once, in_flight, monkeypatch):
    """Breaks if a stream that was stopped and goes on has windows of seconds ago encoded, which by
    then nobody can use, while newer ones wait; or if they vanish untold."""
    monkeypatch.setattr(Halted, "at_once", at_once)
    monkeypatch.setattr(asker, "OVERTAKE_HOPS", 100.0, raising=False)  # however busy the host is
    with Robot("depth") as robot:
        robot.start(
            driver="tests.pipeline.test_backlog:Halted", deadline_s=60.0, in_flight=in_flight
        )
        before = robot.wait(Embedding, 5, timeout_s=60)
        usual_s = max(e.published_ns - e.end_ns for e in before) / 1e9
        Halted.halt_s = 2.0 + 3 * usual_s
        began_ns = before[-1].end_ns
        while not Halted.went_on_ns > began_ns:
            time.sleep(0.05)
        went_on_ns = Halted.went_on_ns
        while robot.wait(Embedding, timeout_s=60)[-1].end_ns <= went_on_ns:
            time.sleep(0.05)
    old_ns = went_on_ns - round((2 * HOP_S + usual_s) * 1e9)
    old = [m for m in robot.outcomes() if Halted.halted_ns < m.end_ns < old_ns]
    assert len(old) >= 5
    assert [m for m in old if not isinstance(m, Tombstone)] == []
    assert {m.reason for m in old} == {Reason.SUPERSEDED}
    sums_hold(robot)
