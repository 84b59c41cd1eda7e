"""One stream, end to end but for Ray: sensor, windows, encoder, publisher, a subscriber."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import count

import msgspec
import numpy as np
import pytest

from bindstream.errors import ConfigError, StreamEnded
from bindstream.formats import Motion
from bindstream.types import Embedding, Event, Health, Modality, Reason, Sample, Tombstone, Window
from pipeline.ingest import DRAIN_S, Ingest
from pipeline.link import FLUSH_S
from tests.patience import PATIENCE_S, Stalls, until
from tests.pipeline.robot import HOP_S, Handle, Probe, Robot, stream_plan
from tests.system.toy_encoder import ToyEncoder


def sums_hold(robot: Robot, stream: str = "depth") -> None:
    """From the outside: what readers saw is what the ledger says, every seq once, in order."""
    sums, seen = robot.books(stream)
    assert sums["captured"] == sums["published"] + sum(sums["dropped"].values()) + sums["open"]
    assert sums["refused"] == {}
    assert len(seen) == sums["captured"] - sums["open"]
    assert [m.seq for m in seen] == list(range(len(seen)))
    assert sum(isinstance(m, Embedding) for m in seen) == sums["published"]


def test_windows_of_a_driver_arrive_in_order():
    """Breaks if any part of the way from a sensor to a subscriber does."""
    with Robot("imu") as robot:
        robot.start(
            "imu",
            ToyEncoder(None, windows={Modality.IMU: Motion(length_s=0.5, steps=100)}),
            modality=Modality.IMU,
            driver="world",
            options={"modality": "imu"},
            length_s=0.5,
        )
        got = robot.wait(Embedding, 4, stream="imu")
    assert [e.seq for e in got] == list(range(len(got)))
    assert {e.epoch for e in got} == {got[0].epoch}
    for e in got:
        assert e.end_ns - e.start_ns == 500_000_000
        assert e.end_ns % 200_000_000 == 0
        assert e.end_ns <= e.captured_ns <= e.windowed_ns <= e.encoded_ns <= e.published_ns
        assert np.linalg.norm(e.vector) == pytest.approx(1.0, abs=1e-5)
    sums_hold(robot, "imu")
    assert robot.account("imu")["open"] == 0
    assert robot.of(Health, stream="imu")[-1].state == "stopped"


def test_a_slow_encoder_costs_windows_not_age():
    """Breaks if windows queue behind a slow encoder: the age of what is published would grow
    without end; if a drop is not told; or if the encoder of one stream holds up another."""
    given: list[int] = []
    with Robot("depth", "other") as robot:
        Probe.tell["depth"] = lambda sample: given.append(sample.t_ns) or sample
        robot.start("depth", ToyEncoder(None, slow_s=0.5))
        robot.start("other")
        got = robot.wait(Embedding, 10, stream="depth", timeout_s=60)
        other = robot.of(Embedding, stream="other")
    for e in got:  # behind that which was with the encoder when it came, and perhaps one in between
        ahead = [o for o in got if e.windowed_ns < o.encoded_ns < e.encoded_ns]
        assert len(ahead) <= 2
    dropped = robot.of(Tombstone, stream="depth")
    assert Reason.SUPERSEDED in {t.reason for t in dropped}
    for t in dropped:  # a hole is the sensor's, where the host did not let it give a frame
        assert t.reason in (Reason.SUPERSEDED, Reason.SHUTDOWN, Reason.SENSOR_GAP)
        if t.reason is Reason.SENSOR_GAP:
            assert not [t_ns for t_ns in given if t.start_ns <= t_ns < t.end_ns]
    assert len(other) > len(got)
    sums_hold(robot)


def test_a_failing_encoder_is_told_and_survived():
    """Breaks if an encoder's exception ends the stream, or its windows vanish."""
    with Robot("depth") as robot:
        ingest = robot.start("depth", ToyEncoder(None, fail_every=2))
        robot.wait(Tombstone, 3, reason=Reason.ENCODER_ERROR)
        robot.wait(Embedding, 3)
        ingest.check_health()
        told = robot.events("encoder_error")
    assert told[0] == {"stream": "depth", "why": "RuntimeError: asked to fail"}
    sums_hold(robot)


def test_a_window_that_the_encoder_never_answers_is_given_up():
    """Breaks if one hanging call blocks a stream for longer than its deadline."""
    with Robot("depth") as robot:
        robot.start("depth", ToyEncoder(None, slow_s=1.0), deadline_s=0.6)
        robot.wait(Tombstone, 2, reason=Reason.ENCODER_TIMEOUT)
    assert robot.of(Embedding) == []
    sums_hold(robot)


def told(robot: Robot, why: str) -> None:
    """Wait until the stream's newest health gives that reason."""
    until(
        lambda: robot.of(Health) and robot.of(Health)[-1].detail["why"] == why,
        lambda: f"{why!r} in {robot.of(Health)[-1:]}",
    )


def test_a_hole_in_depth_costs_no_window():
    """Breaks if one NaN pixel, documented as a hole, drops the window."""

    def pierce(sample: Sample) -> Sample:
        depth = sample.data.copy()
        depth[0, 0] = np.nan
        return replace(sample, data=depth)

    with Robot("depth") as robot:
        Probe.tell["depth"] = pierce
        robot.start()
        robot.wait(Embedding, 3)
        Probe.tell.clear()
    assert all(np.isfinite(e.vector).all() for e in robot.of(Embedding))
    assert robot.of(Tombstone, reason=Reason.INVALID_INPUT) == []
    sums_hold(robot)


def test_samples_of_another_form_are_counted_and_the_health_says_what_they_were():
    """Breaks if a stream whose frames cannot be used stays "running" without a word."""
    with Robot("depth") as robot:
        Probe.tell["depth"] = lambda s: replace(s, data=np.zeros((0, 4), np.float32))
        robot.start()
        told = until(lambda: [h for h in robot.of(Health) if "refused" in h.detail["why"]])
        Probe.tell.clear()
        robot.wait(Embedding, 2)
    assert "got float32 of shape (0, 4)" in told[0].detail["why"]
    assert robot.of(Health)[-1].detail["invalid"] > 0
    assert robot.events("samples_refused")


def test_counters_of_any_numbers_reach_the_health():
    """Breaks if a driver's np.int64 ends the windows thread, or its float costs every State."""
    odd = {"frames": np.int64(3), "load": 0.5, "bad": None, "nan": float("nan")}
    Probe.counters = odd  # type: ignore[attr-defined]
    try:
        with Robot("depth") as robot:
            ingest = robot.start()
            robot.wait(Health, 2, state="running")
            ingest.check_health()
            detail = robot.of(Health)[-1].detail
    finally:
        del Probe.counters  # type: ignore[attr-defined]
    assert detail["frames"] == 3
    assert detail["load"] == 0
    assert "nan" not in detail


def test_a_drivers_own_words_reach_the_health():
    """Breaks if frames that a driver passes over leave a stream "running" without a why."""
    with Robot("depth") as robot:
        ingest = robot.start()
        robot.wait(Embedding, 1)
        ingest._device._driver.why = "what is pushed is refused: depth: wanted metres"
        told(robot, "what is pushed is refused: depth: wanted metres")
        ingest._device._driver.why = ValueError("of a class of its own")  # type: ignore[assignment]
        told(robot, "of a class of its own")
        ingest.check_health()
        ingest._device._driver.why = ""
        told(robot, "")


def test_a_device_that_repeats_itself_is_stalled_for_readers():
    """Breaks if a frozen camera's health says "running", its vectors stop with it, or its return is
    not told."""
    with Robot("depth") as robot:
        ingest = robot.start()
        robot.wait(Health, 1, state="running")
        ingest._device._driver.stalled = "one and the same frame for 2.0 s: the source is frozen"
        robot.wait(Health, 2, state="stalled")
        assert "the source is frozen" in robot.of(Health, state="stalled")[0].detail["why"]
        before = len(robot.of(Embedding))
        robot.wait(Embedding, before + 2)
        ingest._device._driver.stalled = ""
        running = len(robot.of(Health, state="running"))
        robot.wait(Health, running + 1, state="running")
    sums_hold(robot)


def test_a_stream_that_is_over_tells_its_last_windows_first():
    """Breaks if a recording's last windows are lost at its end, or told after it; or if it is
    played again."""
    given = count()

    def end(sample: Sample) -> Sample:
        if next(given) == 20:
            raise StreamEnded("depth", "the drive has ended")
        return sample

    with Robot("depth") as robot:
        Probe.tell["depth"] = end
        ingest = robot.start(encoder=ToyEncoder(None, slow_s=0.4), in_flight=2)
        robot.wait(Health, state="ended")
        robot.wait(Event, name="stream_ended")
        n_told = len(robot.outcomes())
        time.sleep(3 * HOP_S)
        ingest.check_health()
        assert len(robot.outcomes()) == n_told
        account = robot.account()
    assert account["open"] == 0
    assert account["captured"] >= 2
    assert [e["why"] for e in robot.events("stream_ended")] == [
        "stream 'depth': the drive has ended"
    ]
    assert next(given) == 21
    sums_hold(robot)


def test_pause_closes_the_device_and_is_told_as_such():
    """Breaks if a paused camera stays open, or its silence is blamed on the sensor."""
    with Robot("depth") as robot:
        ingest = robot.start()
        robot.wait(Embedding, 2)
        assert ingest.pause() == "paused"
        assert "depth" not in Probe.open_now
        closed_ns = robot.publish._clock.now_ns()
        robot.wait(Health, state="paused")
        before = len(robot.of(Embedding))
        time.sleep(3 * HOP_S)
        assert all(e.captured_ns <= closed_ns for e in robot.of(Embedding))
        ingest.resume()
        (tomb,) = robot.wait(Tombstone, reason=Reason.PAUSED)
        robot.wait(Embedding, before + 3)
        assert "depth" in Probe.open_now
    assert tomb.end_ns - tomb.start_ns >= 2 * HOP_S * 1e9
    assert [e["stream"] for e in robot.events("stream_paused")] == ["depth"]
    sums_hold(robot)


def test_a_gap_after_a_pause_is_the_sensors_own():
    """Breaks if a pause that left no hole excuses a later failure of the sensor."""
    silent = threading.Event()

    def stall(sample: Sample) -> Sample:
        if silent.is_set():
            time.sleep(4 * HOP_S)
            silent.clear()
        return sample

    with Robot("depth") as robot:
        Probe.tell["depth"] = stall
        ingest = robot.start()
        robot.wait(Embedding, 1)
        ingest.pause()
        ingest.resume()
        robot.wait(Embedding, len(robot.of(Embedding)) + 3)
        gaps, pauses = (
            len(robot.of(Tombstone, reason=r)) for r in (Reason.SENSOR_GAP, Reason.PAUSED)
        )
        silent.set()
        robot.wait(Tombstone, gaps + 1, reason=Reason.SENSOR_GAP)
    assert len(robot.of(Tombstone, reason=Reason.PAUSED)) == pauses
    sums_hold(robot)


def test_a_sample_without_a_time_costs_that_sample():
    """Breaks if a stamp that is no number ends the window thread, or the stream, in silence."""
    bad = iter([False, False, True])

    def spoil(sample: Sample) -> Sample:
        return replace(sample, t_ns=None) if next(bad, False) else sample  # type: ignore[arg-type]

    with Robot("depth") as robot:
        Probe.tell["depth"] = spoil
        ingest = robot.start()
        robot.wait(Embedding, 3)
        ingest.check_health()
        told = robot.events("samples_refused")
        robot.wait(Health, 2, state="running")
    assert told[0]["why"].startswith("t_ns: wanted nanoseconds as a whole number, got NoneType")
    assert robot.of(Health)[-1].detail["invalid"] == 1
    sums_hold(robot)


def test_close_returns_in_time_whatever_hangs():
    """Breaks if a hanging driver and a hanging encoder hold up the replica until Serve kills it:
    the goodbye, and with it the accounts of the last windows, would be lost."""
    release, hangs = threading.Event(), threading.Event()

    def hang(sample: Sample) -> Sample:
        hangs.set()
        release.wait(PATIENCE_S)
        return sample

    with Stalls() as stalls, Robot("depth") as robot:
        ingest = robot.start("depth", ToyEncoder(None, slow_s=4.5), in_flight=4)
        robot.wait(Health, state="running")
        until(lambda: ingest._asker._slot._out >= 2, "calls that are out")
        Probe.tell["depth"] = hang
        hangs.wait(PATIENCE_S)
        start_ns = time.time_ns()
        ingest.close()
        end_ns = time.time_ns()
        release.set()
        robot.wait(Health, state="stopped")
        assert robot.account()["open"] == 0
    took_s = (end_ns - start_ns) / 1e9
    assert took_s < DRAIN_S + FLUSH_S + 0.5 + stalls.lost_s(start_ns, end_ns)
    reasons = {t.reason for t in robot.of(Tombstone)}
    assert reasons <= {Reason.SHUTDOWN, Reason.SUPERSEDED, Reason.SENSOR_GAP}  # it hangs, after all
    assert robot.of(Tombstone, reason=Reason.SHUTDOWN)


def test_close_finishes_what_is_in_flight():
    """Breaks if a clean end throws away a window that the encoder is about to answer."""
    with Robot("depth") as robot:
        encoder = ToyEncoder(None, slow_s=0.5)
        ingest = robot.start("depth", encoder)
        robot.wait(Embedding, 1)
        calls = encoder._count
        until(lambda: encoder._count > calls, "a window that is with the encoder")
        before = len(robot.of(Embedding))
        ingest.close()
        robot.wait(Embedding, before + 1)
        ingest.close()  # twice is once
        robot.wait(Health, state="stopped")
    assert "depth" not in Probe.open_now
    sums_hold(robot)


def test_a_stream_waits_for_its_publisher_and_can_be_closed_meanwhile():
    """Breaks if streams need their publisher first, or hang without it."""
    with Robot("depth") as robot:
        robot.publish.close()
        ingest = robot.start()
        ingest.check_health()
        start_ns = time.time_ns()
        with Stalls() as stalls:
            ingest.close()
        assert (time.time_ns() - start_ns) / 1e9 < 3.0 + stalls.lost_s()
        assert "depth" not in Probe.open_now
        robot.start()
        robot.restart_publisher()
        robot.wait(Embedding, 2)


def test_a_stream_that_is_added_delivers_and_the_others_go_on():
    """Breaks if a stream that nobody announced waits for ever, or disturbs those that run."""
    with Robot("depth") as robot:
        robot.start()
        before = robot.wait(Embedding, 2, stream="depth")[-1]
        robot.start("rear")
        added = robot.wait(Embedding, 2, stream="rear")
        after = robot.wait(Embedding, len(robot.of(Embedding, stream="depth")) + 2, stream="depth")
    assert added[0].seq == 0
    assert added[0].epoch > before.epoch
    assert {e.epoch for e in after} == {before.epoch}
    sums_hold(robot)


def test_a_restarted_publisher_keeps_epoch_and_seq():
    """Breaks if readers see a new epoch, or a seq twice, because the publisher restarted."""
    with Robot("depth") as robot:
        robot.start()
        before = robot.wait(Embedding, 3)[-1]
        robot.restart_publisher()
        after = robot.wait(Embedding, len(robot.of(Embedding)) + 3)
    assert {e.epoch for e in after} == {before.epoch}
    seqs = [m.seq for m in robot.outcomes()]
    assert seqs == sorted(set(seqs))
    assert after[-1].seq - before.seq >= 3
    sums, seen = robot.books()
    assert seqs == list(range(len(seqs)))  # no window fell between the two publishers
    assert sums["captured"] == sums["published"] + sum(sums["dropped"].values())
    assert sums["refused"] == {}
    assert {m.life for m in seen} == {before.life, after[-1].life}
    assert before.life != after[-1].life


def test_a_window_that_waited_past_its_deadline_is_late_and_not_asked():
    """Breaks if the encoder is blamed for a window that it never saw: `late` is promised."""
    with Robot("depth") as robot:
        ingest = robot.start("depth")
        robot.wait(Embedding, 1)
        courier, seen = ingest._courier, []
        carry = courier.carry

        def too_late(window: Window) -> None:
            courier.carry = carry
            seen.append(window)
            carry(msgspec.structs.replace(window, deadline_ns=window.end_ns))

        courier.carry = too_late
        (late,) = robot.wait(Tombstone, 1, reason=Reason.LATE)
        robot.wait(Embedding, 3)
    (window,) = seen
    assert late.seq == window.seq
    sums_hold(robot)


def test_a_restarted_stream_has_a_higher_epoch_and_begins_at_zero():
    """Breaks if two lives of a stream cannot be told apart."""
    with Robot("depth") as robot:
        first = robot.start()
        old = robot.wait(Embedding, 1)[0].epoch
        first.close()
        robot.start()
        until(lambda: [e for e in robot.of(Embedding) if e.epoch > old])
    assert next(m.seq for m in robot.outcomes() if m.epoch > old) == 0
    assert len(robot.events("stream_started")) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"driver": "camra"}, "unknown driver 'camra'"),
        ({"driver": "tests.pipeline.robot:Nothing"}, "has no Nothing"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_at_the_start(changes, said, monkeypatch, tmp_path):
    """Breaks if a mistake shows only as a replica that Serve restarts for ever."""
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path))
    handle, threads = Handle(ToyEncoder(None)), threading.active_count()
    with pytest.raises(ConfigError, match=said):
        Ingest(stream_plan(**changes), handle)
    assert threading.active_count() == threads
    handle.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_fails_the_health_check():
    """Breaks if a stream whose thread died looks healthy to Serve for ever."""

    def kill(sample: Sample) -> Sample:
        raise SystemExit

    with Robot("depth") as robot:
        ingest = robot.start()
        robot.wait(Embedding, 1)
        ingest.check_health()
        Probe.tell["depth"] = kill
        with pytest.raises(RuntimeError, match="dead"):
            until(ingest.check_health)
