"""Digests: what they stand for, and when they are none."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from bindstream.types import Embedding, Event, Health, Modality, Reason, Scene, Tombstone
from deploy.live.digests import Digests
from deploy.live.played_out import PlayedOut


def embedding(seq: int, epoch: int = 1, stream: str = "eye", x: float = 1.0) -> Embedding:
    return Embedding(
        robot="r2",
        stream=stream,
        modality=Modality.VISION,
        epoch=epoch,
        seq=seq,
        start_ns=seq * 10,
        end_ns=seq * 10 + 20,
        captured_ns=0,
        windowed_ns=0,
        encoded_ns=0,
        queue_ms=seq / 7,
        encode_ms=0.0,
        n_missing=0,
        space_id="s",
        encoder_id="e",
        vector=np.array([x, seq], np.float32),
    )


def tombstone(seq: int, epoch: int = 1) -> Tombstone:
    told = embedding(seq, epoch).stamp()
    return Tombstone(**told, reason=Reason.SENSOR_GAP)


def scene(seq: int) -> Scene:
    vector = np.array([seq, 2], np.float32)
    return Scene("r2", 1, seq, seq * 5, seq * 5, "s", (), vector)


def told(messages, capsys) -> dict[str, dict]:
    with Digests(["eye", "mute"]) as digests:
        for message in messages:
            digests.show(message)
        assert digests.faults() == []
        digests.tell()
    lines = capsys.readouterr().out.splitlines()
    return {record["stream"]: record for record in map(json.loads, lines)}


def test_a_digest_is_what_its_definition_says(capsys):
    """Breaks if others cannot compute it: sha256 over times and vectors in the order of seq."""
    found = told([embedding(0), scene(0), embedding(1), scene(1)], capsys)
    by_hand = hashlib.sha256()
    for start, end, vector in ((0, 20, [1, 0]), (10, 30, [1, 1])):
        by_hand.update(start.to_bytes(8, "little") + end.to_bytes(8, "little"))
        by_hand.update(np.array(vector, "<f4").tobytes())
    assert found["eye"] == {"stream": "eye", "count": 2, "digest": by_hand.hexdigest()}
    assert found["scene"]["count"] == 2
    assert found["mute"] == {"stream": "mute", "count": 0, "digest": hashlib.sha256().hexdigest()}


def test_it_hangs_on_vectors_and_their_windows_alone(capsys):
    """Breaks if two plays of one recording differ by what the machine was doing; or if a changed
    vector goes unnoticed."""
    one = told([embedding(0), embedding(1)], capsys)["eye"]["digest"]
    other_run = told([embedding(0, epoch=9), embedding(1, epoch=9)], capsys)["eye"]["digest"]
    changed = told([embedding(0), embedding(1, x=0.999)], capsys)["eye"]["digest"]
    assert one == other_run != changed


def test_dropped_windows_are_told_and_are_no_gap(capsys):
    """Breaks if a gap in the recording spoils its digest, or goes unsaid."""
    with Digests(["eye"]) as digests:
        for message in (embedding(0), tombstone(1), embedding(2)):
            digests.show(message)
        assert digests.faults() == []
        digests.tell()
    assert "eye: 1 windows without a vector" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ([embedding(0), embedding(3)], "messages 1 to 2 never came"),
        ([embedding(1)], "messages 0 to 0 never came"),
        ([embedding(0), embedding(0, epoch=2)], "started again"),
        ([scene(0), scene(2)], "messages 1 to 1 never came"),
        ([Event("r2", "stream_overdue", 0, {"stream": "eye"})], "went on without"),
    ],
)
def test_a_digest_of_less_than_all_is_none(messages, fault):
    """Breaks if a slow reader, or a stream that crashed, gives a hash that looks like one."""
    with Digests(["eye"]) as digests:
        for message in messages:
            digests.show(message)
    (said,) = digests.faults()
    assert fault in said


def test_a_replay_is_over_once_each_stream_has_ended():
    """Breaks if it ends with the first, or never."""
    played = PlayedOut(["a", "b"])
    played.hear(Health("r2", "a", "ended", 0, {}))
    played.hear(Health("r2", "b", "running", 0, {}))
    assert not played.over(0.0)
    played.hear(Health("r2", "b", "ended", 0, {}))
    assert played.over(0.0)


def test_a_stream_that_will_never_end_does_not_hold_a_replay_for_ever():
    """Breaks if a recording that can no longer be read keeps its replay waiting until Ctrl-C."""
    played = PlayedOut(["a", "b"])
    played.hear(Event("r2", "stream_overdue", 0, {"stream": "b"}))
    assert not played.over(0.0)
    played.hear(Health("r2", "a", "ended", 0, {}))
    assert played.over(0.0)
    assert played.left == {"b"}
    played.hear(embedding(0, stream="b"))
    assert not played.over(0.0)
