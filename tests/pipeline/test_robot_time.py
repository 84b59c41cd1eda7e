"""A robot whose time is its streams': a recording of an hour ago, whole but for Ray."""

from __future__ import annotations

import time
from typing import Any

from bindstream.types import Embedding, Health, Modality, Scene, Tombstone
from pipeline.clock import Timing
from tests.pipeline.robot import Robot
from tests.system.toy_encoder import ToyEncoder

MAX = Timing("streams", 0.0)
SECONDS = 6.0
STREAMS = {"front": "vision", "mic": "audio", "depth": "depth", "imu": "imu"}
HOPS_S = {"front": 0.5, "mic": 0.5, "depth": 0.2, "imu": 0.5}
STARTS_NS = (time.time_ns() // 10**9 - 3600) * 10**9


def play(timing: Timing, encoder: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    """All that readers were told until every stream had ended."""
    with Robot(*STREAMS, timing=timing) as robot:
        for name, modality in STREAMS.items():
            told = {"modality": modality, "starts_ns": STARTS_NS, "seconds": SECONDS, **options}
            robot.start(
                name,
                encoder=ToyEncoder(None, **(encoder or {})),
                modality=Modality(modality),
                driver="tests.devices.recording:Recording",
                options=told,
                hop_s=HOPS_S[name],
                in_flight=2,
                deadline_s=0.5,
            )
        for name in STREAMS:
            robot.wait(Health, stream=name, state="ended", timeout_s=60)
        time.sleep(0.5)  # what would still come, came
        return list(robot.heard)


def rows(heard: list[Any]) -> dict[str, list[Any]]:
    """Per stream, and for scenes, what a reader can compare: times, order, bytes."""
    found: dict[str, list[Any]] = {name: [] for name in (*STREAMS, "scene")}
    for m in heard:
        if isinstance(m, Embedding):
            found[m.stream].append((m.seq, m.start_ns, m.end_ns, m.vector.tobytes()))
        elif isinstance(m, Tombstone):
            found[m.stream].append((m.seq, m.start_ns, m.end_ns, m.reason))
        elif isinstance(m, Scene):
            members = [(r.stream, r.seq, r.weight, r.age_ms) for r in m.members]
            found["scene"].append((m.seq, m.end_ns, members, m.vector.tobytes()))
    return found


def test_a_recording_gives_the_same_at_any_speed():
    """Breaks if an hour-old recording times out, loses windows, or its scenes depend on the pace
    or on how slow the encoder is."""
    fast = play(MAX)
    paced = play(Timing("streams", 3.0))
    slow = play(MAX, {"slow_s": 0.1})
    assert not [m for m in (*fast, *paced, *slow) if isinstance(m, Tombstone)]
    expected = rows(fast)
    assert len(expected["depth"]) >= 28
    assert len(expected["scene"]) >= 20
    assert all(seq == n for told in expected.values() for n, (seq, *_) in enumerate(told))
    assert rows(paced) == expected
    assert rows(slow) == expected
