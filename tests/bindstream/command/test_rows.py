"""From messages to what status and the live table show."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindstream import wire
from bindstream.command.rows import EVENTS_KEPT, StreamRow, TableState, row_of
from bindstream.types import Health
from tests.deploy import messages

TEXT = st.text("ab1. ", max_size=4)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXT
DETAILS = st.dictionaries(
    st.sampled_from(
        ["modality", "rate_hz", "ledger", "age_ms", "stages_ms", "words", "why", "late", "epoch"]
    ),
    st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8),
)


def test_a_row_holds_what_the_health_message_told() -> None:
    """Breaks if a figure of the ledger or an age lands in another column."""
    row = row_of(messages.health(late=4))
    assert (row.captured, row.published, row.open) == (10, 7, 1)
    assert row.dropped == {"superseded": 2}
    assert row.captured == row.published + row.open + sum(row.dropped.values())
    assert (row.published_hz, row.age_p50_ms, row.age_p99_ms) == (2.0, 120.0, 310.0)
    assert (row.late, row.epoch) == (4, 3)
    assert row.stages_ms["encode"] == 33.0


@given(DETAILS)
def test_any_detail_on_the_wire_gives_a_row(detail: dict[str, Any]) -> None:
    """Breaks if a publisher of another version can crash status or the table."""
    row = row_of(Health("rover", "front", "running", 0, detail))
    assert row.stream == "front"
    assert all(isinstance(count, int) for count in row.dropped.values())


def test_what_is_not_known_is_none_and_not_zero() -> None:
    """Breaks if a stream that has published nothing shows a rate or an age."""
    row = row_of(Health("rover", "front", "opening", 0, {"why": "no device"}))
    assert row.rate_hz is None
    assert row.age_p50_ms is None
    assert row.why == "no device"


def test_messages_off_the_wire_fill_the_table() -> None:
    """Breaks if the state misses a kind, or words of the newest embedding do not win."""
    state = TableState()
    sent = [messages.health(), messages.scene(4), messages.event(), messages.tombstone()]
    sent.append(messages.embedding(8, words={"object": "cat"}))
    for message in sent:
        state.absorb(wire.decode(wire.encode(message)))
    assert state.robot == "rover"
    assert state.rows["rover", "front"].published == 7
    assert state.words_of(state.rows["rover", "front"]) == {"object": "cat"}
    assert [s.seq for s in state.scenes.values()] == [4]
    assert [event.name for event in state.events] == ["stream_reopened"]


def test_an_embedding_without_health_still_makes_a_row() -> None:
    """Breaks if the table stays empty until the first health message."""
    state = TableState()
    state.absorb(messages.embedding(0, stream="mic"))
    assert state.rows == {("rover", "mic"): StreamRow("rover", "mic", "vision", "running")}


def test_only_the_newest_events_are_kept() -> None:
    """Breaks if a robot that reports a lot makes the table grow without bound."""
    state = TableState()
    for _ in range(EVENTS_KEPT + 5):
        state.absorb(messages.event())
    assert len(state.events) == EVENTS_KEPT


def test_steps_of_the_start_are_followed() -> None:
    """Breaks if a failed step reads as done, or an announced one is listed twice."""
    state = TableState()
    state.begin("private Ray")
    state.finish("private Ray", 3.2)
    state.begin("deploy")
    state.finish("deploy", 1.0, failed=True)
    told = [(step.name, step.state, step.seconds) for step in state.steps]
    assert told == [("private Ray", "done", 3.2), ("deploy", "failed", 1.0)]


@pytest.mark.parametrize("value", [True, "2", float("nan"), float("inf"), [], None])
def test_a_figure_that_is_no_number_stays_unknown(value: Any) -> None:
    """Breaks if nonsense in a message is shown as a rate."""
    assert row_of(messages.health(rate_hz=value)).rate_hz is None
