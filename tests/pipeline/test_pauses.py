"""Which holes a pause excuses."""

from __future__ import annotations

import pytest

from bindstream.types import Modality, Reason
from pipeline.pauses import Pauses
from pipeline.windows.hole import Hole
from tests.pipeline.messages import of


def reason(pauses: Pauses, start_ns: int, end_ns: int) -> Reason:
    place = {"start_ns": start_ns, "end_ns": end_ns}
    return pauses.reason(Hole(**(of(Modality.DEPTH).stamp() | place)))


@pytest.mark.parametrize("after", ["stream_opening", "stream_running", "stream_stopped"])
def test_a_pause_excuses_what_it_touches(after: str) -> None:
    """Breaks if a paused camera's hole is blamed on the sensor, or a pause excuses what came before
    or after it."""
    pauses = Pauses()
    pauses.hear("stream_running", 5)
    assert reason(pauses, 0, 10) is Reason.SENSOR_GAP
    pauses.hear("stream_paused", 100)
    assert reason(pauses, 0, 100) is Reason.SENSOR_GAP
    assert reason(pauses, 90, 10**18) is Reason.PAUSED  # it is paused still
    pauses.hear(after, 200)
    assert reason(pauses, 150, 300) is Reason.PAUSED
    assert reason(pauses, 200, 300) is Reason.SENSOR_GAP
    pauses.hear("stream_lost", 300)  # ends no pause: there is none
    assert reason(pauses, 250, 350) is Reason.SENSOR_GAP
