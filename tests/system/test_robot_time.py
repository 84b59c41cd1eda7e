"""A recording of an hour ago through the whole graph: Ray, Serve, ZeroMQ, a subscriber.

The encoder is a toy, whose vectors are the same in every process; ImageBind's are the same to the
bit only where two starts took the same fast path (docs/decisions/0009).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bindstream.subscriber import Subscriber
from bindstream.types import Embedding, Event, Health, Scene, Tombstone
from bindstream.wire import Message
from tests.system.robot import Robot

pytestmark = [pytest.mark.ray, pytest.mark.timeout(500)]
STREAMS = {"front": "vision", "mic": "audio", "depth": "depth", "heat": "thermal", "imu": "imu"}
STARTS_NS = (time.time_ns() // 10**9 - 3600) * 10**9
SECONDS = 12.0
PLAYED_S = 300.0


def stream(name: str) -> dict[str, Any]:
    options = {"modality": STREAMS[name], "starts_ns": STARTS_NS, "seconds": SECONDS}
    driver = "tests.devices.recording:Recording"
    own = {"name": name, "modality": STREAMS[name], "driver": driver, "options": options}
    return {**own, "deadline_s": 0.5}  # which a live robot's windows of an hour ago do not meet


def told(robot: Robot) -> Iterator[tuple[float, Message]]:
    """What a reader who waited for the robot is told until every stream has ended, and when."""
    ended: set[str] = set()
    until_s = time.monotonic() + PLAYED_S
    with Subscriber(robot.endpoint, topics="", tombstones=True) as read:
        while ended < STREAMS.keys():
            assert time.monotonic() < until_s, (ended, robot.summary(), robot.log())
            message = read.receive(0.5)
            if message is not None:
                yield time.monotonic(), message
            if isinstance(message, Health) and message.state == "ended":
                ended.add(message.stream)


def play(folder: Path, speed: float | str) -> tuple[list[Message], float]:
    """All of it; and how long it took from the first embedding to the last."""
    folder.mkdir()
    args = {
        "encoder": {"kind": "tests.system.toy_encoder:ToyEncoder", "weights": None},
        "robot": {"time": "streams", "speed": speed},
        "streams": [stream(name) for name in STREAMS],
    }
    with Robot(folder, args) as robot:
        heard = list(told(robot))
    when_s = [at_s for at_s, message in heard if isinstance(message, Embedding)]
    return [message for _, message in heard], when_s[-1] - when_s[0]


def rows(heard: list[Message]) -> dict[str, list[Any]]:
    """Per stream, and for scenes, what two plays must have in common."""
    found: dict[str, list[Any]] = {name: [] for name in (*STREAMS, "scene")}
    for m in heard:
        if isinstance(m, Embedding):
            found[m.stream].append((m.seq, m.start_ns, m.end_ns, m.vector.tobytes()))
        elif isinstance(m, Scene):
            members = [(r.stream, r.seq, r.weight, r.age_ms) for r in m.members]
            found["scene"].append((m.seq, m.end_ns, members, m.vector.tobytes()))
    return found


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Message], float]]:
    folder = tmp_path_factory.mktemp("plays")
    return {"fast": play(folder / "fast", "max"), "paced": play(folder / "paced", 1)}


def test_an_old_recording_loses_nothing_at_any_speed(plays):
    """Breaks if windows of an hour ago time out or are superseded, by whatever part of the graph;
    or if a reader who waited misses the beginning."""
    for heard, _ in plays.values():
        assert [m for m in heard if isinstance(m, Tombstone)] == []
        for name, found in rows(heard).items():
            assert [row[0] for row in found] == list(range(len(found))), name
        ledgers = {m.stream: m.detail["ledger"] for m in heard if isinstance(m, Health)}
        for ledger in ledgers.values():
            assert ledger["captured"] == ledger["published"] > 0
            assert ledger["open"] == 0
        events = [m for m in heard if isinstance(m, Event)]
        assert {m.detail["stream"] for m in events if m.name == "stream_ended"} == STREAMS.keys()
        assert {m.name for m in events} <= {"stream_started", "stream_running", "stream_ended"}


def test_the_pace_does_not_change_what_is_said(plays):
    """Breaks if windows, vectors or scenes depend on how fast a recording is played."""
    fast, paced = (rows(plays[name][0]) for name in ("fast", "paced"))
    for name in (*STREAMS, "scene"):
        assert fast[name] == paced[name], name
    whole = [s for s in fast["scene"] if all(seq >= 0 for _, seq, _, _ in s[2])]
    assert len(whole) > SECONDS / 2, "few scenes had all five"


def test_the_pace_is_kept(plays):
    """Breaks if 1x is played as fast as it can: the recording's second half, which no loading of
    an encoder delays, takes its own time."""
    ends = [m.end_ns for m in plays["paced"][0] if isinstance(m, Embedding)]
    assert plays["paced"][1] >= (max(ends) - min(ends)) / 1e9 - 5.0


def test_times_are_the_recordings(plays):
    """Breaks if a replay's stamps, events or ages are those of the day it is played on."""
    ended_ns = STARTS_NS + round((SECONDS + 1) * 1e9)
    for heard, _ in plays.values():
        starts = [isinstance(m, Event) and m.name == "stream_started" for m in heard]
        for m in heard[starts.index(True) :]:  # before, nobody knows of a recording
            told_ns = m.t_ns if isinstance(m, Event | Health) else m.published_ns
            assert STARTS_NS <= told_ns <= ended_ns, m
            if isinstance(m, Embedding | Scene):
                assert STARTS_NS <= m.end_ns <= told_ns
                assert m.age_ms is None
        ages = [m.detail["age_ms"] for m in heard if isinstance(m, Health) and m.state == "ended"]
        assert len(ages) >= len(STREAMS)
        assert all(0 <= age["p50"] <= age["max"] <= 12_000 for age in ages)
