"""A robot whose time is its streams': a recording of an hour ago, whole but for Ray."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from bindstream.types import Embedding, Event, Health, Modality, Reason, Scene, Tombstone
from pipeline import courier
from pipeline.clock import LEAD_NS, LIVE, Timing
from pipeline.ingest import Ingest
from pipeline.publisher import watermark
from pipeline.report import AHEAD, PAST_IN_PRESENT
from tests.patience import until
from tests.pipeline.robot import Robot
from tests.system.toy_encoder import ToyEncoder

MAX = Timing("streams", 0.0)
SECONDS = 6.0
STREAMS = {"front": "vision", "mic": "audio", "depth": "depth", "imu": "imu"}
HOPS_S = {"front": 0.5, "mic": 0.5, "depth": 0.2, "imu": 0.5}
STARTS_NS = (time.time_ns() // 10**9 - 3600) * 10**9


def start(robot: Robot, name: str, encoder: ToyEncoder | None = None, **options: Any) -> Ingest:
    told = {"modality": STREAMS[name], "starts_ns": STARTS_NS, "seconds": SECONDS}
    return robot.start(
        name,
        encoder=encoder,
        modality=Modality(STREAMS[name]),
        driver="tests.devices.recording:Recording",
        options=told | options,
        hop_s=HOPS_S[name],
        in_flight=2,
        deadline_s=0.5,
    )


def until_ended(robot: Robot, *names: str) -> list[Any]:
    """All that readers were told until these streams had ended."""
    for name in names:
        robot.wait(Health, stream=name, state="ended")
    robot.hear_out()
    return list(robot.heard)


def play(timing: Timing, slow_s: float = 0.0) -> list[Any]:
    with Robot(*STREAMS, timing=timing) as robot:
        for name in STREAMS:
            start(robot, name, ToyEncoder(None, slow_s=slow_s))
        return until_ended(robot, *STREAMS)


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
    slow = play(MAX, slow_s=0.1)
    assert not [m for m in (*fast, *paced, *slow) if isinstance(m, Tombstone)]
    expected = rows(fast)
    assert len(expected["depth"]) >= 28
    assert len(expected["scene"]) >= 20
    assert all(seq == n for told in expected.values() for n, (seq, *_) in enumerate(told))
    assert rows(paced) == expected
    assert rows(slow) == expected


def test_a_publisher_that_is_restarted_loses_nothing_of_a_recording():
    """Breaks if vectors fade while no publisher is there, a window is told twice, or the streams
    wait for ever for a time that nobody tells them any more."""
    with Robot("depth", "imu", timing=MAX) as robot:
        for name in ("depth", "imu"):
            start(robot, name, ToyEncoder(None, slow_s=0.02), seconds=30.0)
        robot.wait(Embedding, 20, stream="depth")
        robot.restart_publisher()
        heard = until_ended(robot, "depth", "imu")
    told = rows(heard)
    assert not [m for m in heard if isinstance(m, Tombstone)]
    for name in ("depth", "imu"):
        assert [row[0] for row in told[name]] == list(range(len(told[name])))
    assert len(told["depth"]) >= 148
    (before, after) = {m.epoch: m for m in heard if isinstance(m, Scene)}.values()
    assert after.end_ns > before.end_ns


def test_an_encoder_that_fails_is_asked_again():
    """Breaks if a replica that dies costs a recording its windows."""
    with Robot("depth", timing=MAX) as robot:
        start(robot, "depth", ToyEncoder(None, fail_every=7))
        heard = until_ended(robot, "depth")
    assert not [m for m in heard if isinstance(m, Tombstone)]
    assert len(rows(heard)["depth"]) >= 28


def test_an_encoder_that_says_nothing_is_not_waited_for_for_ever(monkeypatch):
    """Breaks if one window without an answer stops a recording for good, or goes untold."""
    monkeypatch.setattr(courier, "SILENT_S", 0.2)
    with Robot("depth", timing=MAX) as robot:
        start(robot, "depth", ToyEncoder(None, slow_s=0.5), seconds=2.0)
        heard = until_ended(robot, "depth")
    reasons = {m.reason for m in heard if isinstance(m, Tombstone)}
    assert reasons == {Reason.ENCODER_TIMEOUT}


def test_a_stream_that_never_comes_is_waited_for_and_then_told(monkeypatch):
    """Breaks if scenes begin without an expected stream, or it stops them for ever, untold."""
    monkeypatch.setattr(watermark, "PATIENCE_NS", 5_000_000_000)
    with Robot("depth", "ghost", timing=MAX) as robot:
        start(robot, "depth", seconds=3.0)
        robot.wait(Embedding, 5, stream="depth")
        until(
            lambda: robot.of(Scene) or robot.publish.status()["time"]["held_by"] == ["ghost"],
            lambda: robot.publish.status()["time"],
        )
        until_ended(robot, "depth")
        robot.wait(Scene, 5)
    (overdue,) = robot.of(Event, name="stream_overdue")
    assert overdue.detail["stream"] == "ghost"
    assert robot.heard.index(overdue) < robot.heard.index(robot.of(Scene)[0])


def test_a_stream_runs_ahead_of_the_others_by_its_lead_alone(tmp_path: Path):
    """Breaks if a recording is read into memory as far as it goes while another stream waits."""
    gate = tmp_path / "gate"
    with Robot("depth", "imu", timing=MAX) as robot:
        start(robot, "depth", seconds=60.0)
        start(robot, "imu", seconds=60.0, gate=str(gate))
        ahead = robot.wait(Embedding, 45, stream="depth")
        time.sleep(2.0)  # in which it would go on
        until(lambda: robot.of(Health, stream="depth")[-1].detail["why"] == AHEAD)
        assert len(robot.of(Embedding, stream="depth")) <= len(ahead) + 10
        assert robot.of(Embedding, stream="depth")[-1].end_ns <= STARTS_NS + LEAD_NS + 200_000_000
        gate.touch()
        heard = until_ended(robot, "depth", "imu")
    assert not [m for m in heard if isinstance(m, Tombstone)]
    assert len(rows(heard)["depth"]) >= 298
    scenes = [m for m in heard if isinstance(m, Scene)]
    assert len(scenes) >= 290
    present = [{m.stream for m in scene.members if m.seq >= 0} for scene in scenes]
    assert all("depth" in names for names in present)  # what ran ahead is still known


@pytest.mark.parametrize("late_s", [40.0])
def test_streams_that_begin_apart_do_not_wait_for_each_other_for_ever(late_s):
    """Breaks if a microphone that was switched on later holds up the camera that it waits for."""
    with Robot("depth", "imu", timing=MAX) as robot:
        start(robot, "depth", seconds=60.0)
        start(robot, "imu", seconds=20.0, late_s=late_s)
        heard = until_ended(robot, "depth", "imu")
    scenes = [m for m in heard if isinstance(m, Scene)]
    assert scenes[0].end_ns < STARTS_NS + 1_000_000_000
    assert not robot.of(Event, name="stream_overdue")
    both = [m for m in scenes if all(member.seq >= 0 for member in m.members)]
    assert len(both) >= 40


def test_a_recording_on_a_live_robot_says_what_is_wrong():
    """Breaks if somebody's first replay gives tombstones without a reason."""
    with Robot("depth", timing=LIVE) as robot:
        start(robot, "depth")
        until(lambda: [h for h in robot.of(Health) if h.detail["why"] == PAST_IN_PRESENT])


def test_a_live_sensor_on_such_a_robot_keeps_its_time():
    """Breaks if a camera beside recordings is stamped by them, or its robot's time stands."""
    begun_ns = time.time_ns()
    with Robot("depth", timing=MAX) as robot:
        robot.start("depth")
        got = robot.wait(Embedding, 5)
        robot.wait(Scene, 3)
    assert begun_ns < got[-1].end_ns < time.time_ns()
