"""Samples that were refused: how often that is said."""

from __future__ import annotations

from bindstream.errors import InvalidInput
from pipeline.sensing.refusals import REFUSED_SHOWN_S, REFUSED_TOLD_S, Refusals


def test_a_refusal_is_shown_for_a_while_and_told_now_and_then() -> None:
    """Breaks if every bad frame is an event, a stream stays ill for ever after one, or the last
    reason is not the one that is shown."""
    refusals = Refusals()
    assert refusals.why(0.0) == ""
    assert refusals.add(InvalidInput("too wide"), 0.0)
    assert not refusals.add(InvalidInput("too long"), 1.0)
    assert refusals.why(1.0 + REFUSED_SHOWN_S) == "2 samples refused, the last: too long"
    assert refusals.why(1.1 + REFUSED_SHOWN_S) == ""
    assert refusals.add(InvalidInput("too wide"), REFUSED_TOLD_S)
