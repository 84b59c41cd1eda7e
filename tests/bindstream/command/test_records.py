"""What ``listen`` prints, for scripts and for people."""

from __future__ import annotations

import msgspec
import pytest

from bindstream.command.records import as_line, as_record
from bindstream.types import Modality
from tests.deploy import messages

CONTRACT = [
    *("topic", "kind", "robot", "stream", "modality", "epoch", "seq"),
    *("start_ns", "end_ns", "age_ms", "space_id", "dim", "norm", "vector"),
]
KINDS = {
    "embedding": messages.embedding(5, age_ms=312.4),
    "tombstone": messages.tombstone(),
    "scene": messages.scene(),
    "event": messages.event(),
    "health": messages.health(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_agreed_keys_first_and_survives_json(kind: str) -> None:
    """Breaks if a script that reads these keys meets a line without them, or invalid JSON."""
    record = as_record(KINDS[kind])
    assert list(record)[: len(CONTRACT)] == CONTRACT
    back = msgspec.json.decode(msgspec.json.encode(record))
    assert back["kind"] == kind
    assert back["robot"] == "rover"


def test_an_embedding_tells_its_place_and_its_words() -> None:
    """Breaks if a value lands under another key, or the norm is not the vector's."""
    record = as_record(KINDS["embedding"])
    assert record["topic"] == "embedding/rover/front/"
    assert (record["epoch"], record["seq"]) == (3, 5)
    assert record["end_ns"] - record["start_ns"] == 500_000_000
    assert record["age_ms"] == 312.4
    assert record["dim"] == len(record["vector"]) == 4
    assert record["norm"] == pytest.approx(1.0)
    assert record["words"] == {"object": "dog"}


def test_an_unknown_age_is_null_and_not_zero() -> None:
    """Breaks if a reader on another host is told an age that nobody knows."""
    assert as_record(messages.embedding(age_ms=None))["age_ms"] is None


def test_a_tombstone_has_a_reason_and_no_vector() -> None:
    """Breaks if a dropped window could be taken for an embedding."""
    record = as_record(KINDS["tombstone"])
    assert record["reason"] == "superseded"
    assert record["vector"] is None
    assert record["dim"] is None


def test_a_scene_names_the_missing_member() -> None:
    """Breaks if a stream that is absent from a scene goes unsaid."""
    members = as_record(KINDS["scene"])["members"]
    assert members[1] == {
        "stream": "mic",
        "modality": Modality.AUDIO,
        "seq": -1,
        "weight": 0.0,
        "age_ms": None,
    }


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("embedding", ["rover/front", "vision", "#5", "age  312 ms", "object: dog"]),
        ("tombstone", ["rover/front", "#1", "dropped: superseded"]),
        ("scene", ["rover", "1/2 streams", "motion: moving forward"]),
        ("event", ["stream_reopened", "stream=mic"]),
        ("health", ["rover/front", "running", "published_hz=2.0"]),
    ],
)
def test_a_line_tells_what_matters_without_colour_codes(kind: str, told: list[str]) -> None:
    """Breaks if the line for people loses a fact, or a pipe gets escape codes."""
    line = as_line(KINDS[kind])
    for part in told:
        assert part in line
    assert "\x1b" not in line
    assert "\n" not in line


def test_colour_wraps_the_kind_alone() -> None:
    """Breaks if colour changes the text itself."""
    plain, coloured = as_line(KINDS["event"]), as_line(KINDS["event"], colour=True)
    assert coloured.replace("\x1b[35m", "").replace("\x1b[0m", "") == plain
    assert coloured != plain
