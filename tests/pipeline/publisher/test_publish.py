"""The publisher's shell: sockets, clock, threads, one per robot, and an orderly end."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
import zmq

from bindstream.errors import ConfigError, InvalidInput
from bindstream.subscriber import Subscriber
from bindstream.types import Embedding, Event, Health, Modality, Reason, Scene, Tombstone
from pipeline.link import Link, address
from pipeline.messages import (
    About,
    Bye,
    Grant,
    Hello,
    Introduce,
    Opened,
    State,
    decode_downward,
    encode,
)
from pipeline.plan import LivePlan, QuestionPlan, RobotPlan
from pipeline.publisher import hearing, host_clock, inbox, labels, learning, publish, take_over
from pipeline.publisher.epochs import RESERVED
from pipeline.publisher.publish import Publish
from pipeline.publisher.seen import Seen
from tests.patience import PATIENCE_S, Stalls, until
from tests.pipeline import messages
from tests.pipeline.robot import Handle, Robot, free_port
from tests.system.toy_encoder import ToyEncoder

ABOUT = About(Modality.DEPTH, 200_000_000, 5_000_000_000)
HELLO = Hello("depth", "a", ABOUT)


def encoded(epoch: int, seq: int) -> Embedding:
    now_ns = time.time_ns()
    return messages.encoded(opened(epoch, seq, now_ns), encoded_ns=now_ns)


def opened(epoch: int, seq: int, end_ns: int) -> Opened:
    return messages.opened(epoch, seq, end_ns - 200_000_000, end_ns, "depth", Modality.DEPTH)


def state(grant: Grant, name: str = "running") -> State:
    return State("depth", grant.epoch, grant.offset_ns, name, "", 1.0, 1.0, {})


def ask(link: Link) -> Grant:
    grant = link.ask(HELLO, PATIENCE_S)
    assert grant is not None
    return grant


def quiet_context() -> zmq.Context[Any]:
    """Its sockets never hold up the end of a test that failed."""
    context: zmq.Context[Any] = zmq.Context()
    context.linger = 0
    return context


def leave(link: Link, grant: Grant) -> None:
    link.send(Bye("depth", grant.epoch))
    link.close()


def test_a_grant_holds_the_robots_clock():
    """Breaks if streams and publisher stamp by different clocks."""
    begun_s = time.time()
    with Robot("depth") as robot:
        link = Link(address("rover"))
        grant = ask(link)
        apart_ns = [abs(time.monotonic_ns() + grant.offset_ns - time.time_ns()) for _ in range(100)]
        assert min(apart_ns) < 50_000_000
        assert grant.epoch > begun_s - 60  # an epoch is about the time of its start
        robot.wait(Event, name="stream_started")
        leave(link, grant)


def test_scenes_tick_on_the_unix_grid_and_are_numbered():
    """Breaks if scenes drift off the grid, come twice, or do not come at all."""
    with Robot("depth") as robot:
        robot.start("depth")
        scenes = robot.wait(Scene, 5)
    assert all(s.end_ns % 200_000_000 == 0 for s in scenes)
    assert [s.seq for s in scenes] == list(range(len(scenes)))
    steps = np.diff([s.end_ns for s in scenes])
    assert (steps >= 200_000_000).all()
    assert {s.epoch for s in scenes} == {scenes[0].epoch}
    late_ms = [(s.published_ns - s.end_ns) / 1e6 for s in scenes]
    assert min(late_ms) >= 50.0


def test_status_and_health_are_told_by_call_and_by_wire():
    """Breaks if HTTP and the subscribers see different robots."""
    with Robot("depth") as robot:
        assert Seen().health()["status"] == "down"  # before the publisher's thread has looked
        robot.start("depth")
        robot.wait(Embedding, 3)
        until(lambda: robot.publish.health()["status"] == "ok")
        status = robot.publish.status()
        assert status["streams"]["depth"]["state"] == "running"
        until(lambda: robot.publish.status()["streams"]["depth"]["ledger"]["published"] >= 1)
        robot.publish.check_health()


@pytest.mark.parametrize(
    "raw", [b"", b"\xff" * 40, b"\x81\xa4type\xa4Evil"], ids=["empty", "garbage", "stranger"]
)
def test_nonsense_on_the_streams_socket_is_counted_and_survived(raw):
    """Breaks if one bad message silences the robot."""
    with Robot("depth") as robot:
        context = quiet_context()
        stranger = context.socket(zmq.DEALER)
        stranger.connect(address("rover"))
        stranger.send(raw)
        stranger.send_multipart([b"two", b"parts"])
        until(lambda: robot.publish.status().get("refused", 0) == 2)
        link = Link(address("rover"))
        link.send(msgspec.structs.replace(encoded(9, 0), vector=b"odd"))
        leave(link, ask(link))
        robot.publish.check_health()
        context.destroy(0)


def test_a_socket_that_is_cleaned_away_comes_back():
    """Breaks if a swept runtime folder leaves a stream that starts anew asking for ever, while the
    others go on."""
    with Robot("depth", "other") as robot:
        robot.start("other")
        robot.wait(Embedding, 1, stream="other")
        Path(address("rover").removeprefix("ipc://")).unlink()
        robot.start("depth")
        robot.wait(Embedding, 1, stream="depth")
        seen = len(robot.of(Embedding, stream="other"))
        robot.wait(Embedding, seen + 2, stream="other")
    assert {e.epoch for e in robot.of(Embedding, stream="other")} == {
        robot.of(Embedding, stream="other")[0].epoch
    }


def test_a_vector_that_is_none_is_refused_not_fatal():
    """Breaks if bytes that are no float32 vector end the publisher's thread."""
    with Robot("depth") as robot:
        link = Link(address("rover"))
        grant = ask(link)
        link.send(opened(grant.epoch, 0, time.time_ns()))
        broken = msgspec.structs.replace(encoded(grant.epoch, 0), vector=b"odd")
        link.send(broken)
        link.send(opened(grant.epoch, 1, time.time_ns()))
        link.send(encoded(grant.epoch, 1))
        link.send(Bye("depth", grant.epoch))
        robot.wait(Health, state="stopped")
        until(lambda: robot.publish.status().get("refused") == 1)
        link.close()
    assert [m.seq for m in robot.outcomes()] == [0, 1]
    sums = robot.account()
    assert sums["captured"] == sums["published"] + sum(sums["dropped"].values()) == 2


def test_a_full_disk_costs_nobody_anything_until_it_has_lasted(monkeypatch):
    """Breaks if a counter that cannot be written silences streams that run, or those that start
    while numbers are left; or if a start that was refused is refused for ever."""
    with Robot("depth") as robot:
        link = Link(address("rover"))
        grant = ask(link)

        def full(fd: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        for n in range(RESERVED - 2):
            other = Link(address("rover"))
            assert other.ask(Hello("depth", f"b{n}", ABOUT), PATIENCE_S) is not None
            other.close()
        last = Link(address("rover"))
        assert last.ask(Hello("depth", "late", ABOUT), 0.3) is None
        monkeypatch.undo()
        granted = until(lambda: last.ask(Hello("depth", "late", ABOUT), 1.0), "a grant")
        assert granted.epoch > grant.epoch
        last.send(opened(granted.epoch, 0, time.time_ns()))
        last.send(encoded(granted.epoch, 0))
        robot.wait(Embedding, epoch=granted.epoch)
        link.close()
        leave(last, granted)


def test_labels_are_learnt_once_the_encoder_speaks(monkeypatch):
    """Breaks if words are given up because the encoder was still loading."""
    monkeypatch.setattr(labels, "RETRY_S", (0.2, 0.4))
    words = QuestionPlan("object", {"cat": ["cat"], "dog": ["dog"]}, ["{}"], [Modality.DEPTH], 0.0)
    robot = Robot("depth", questions=[words])
    robot.speaker.text_failures = 2
    with robot:
        robot.start("depth")
        until(lambda: any(e.words for e in robot.of(Embedding)))
        answered = next(e for e in robot.of(Embedding) if e.words)
        assert answered.words["object"] in ("cat", "dog")
        until(lambda: any(s.words for s in robot.of(Scene)))


def test_labels_without_an_encoder_for_text_are_given_up_and_told():
    """Breaks if a robot asks for ever, in a log that nobody reads, for words that cannot come."""
    words = QuestionPlan("object", {"cat": ["cat"], "dog": ["dog"]}, ["{}"], [Modality.DEPTH], 0.0)
    robot = Robot("depth", questions=[words])
    robot.speaker.text_error = InvalidInput("text: this encoder has only depth")
    with robot:
        robot.start("depth")
        told = "given up: InvalidInput: text: this encoder has only depth"
        robot.wait(Health, state="running")
        until(lambda: robot.of(Health)[-1].detail.get("labels") == told)
        until(lambda: robot.publish.status()["labels"] == told)
        assert robot.events("labels_failed") in ([], [{"why": told}])  # [] if told before we joined
        n = len(robot.speaker.texts)
        robot.wait(Embedding, len(robot.of(Embedding)) + 10)
        assert len(robot.speaker.texts) == n == 1


def test_what_came_of_words_that_nobody_asks_any_more_is_not_told(monkeypatch):
    """Breaks if, once its questions were taken away, a robot is told for ever as one whose words
    do not come, because the answer to them was still on its way."""
    words = QuestionPlan("object", {"cat": ["cat"], "dog": ["dog"]}, ["{}"], [Modality.DEPTH], 0.0)
    robot = Robot("depth", questions=[words])
    asked, release = threading.Event(), threading.Event()
    before = set(threading.enumerate())

    def encode_text(_texts: list[str]) -> None:
        asked.set()
        release.wait(60.0)
        raise InvalidInput("too late to matter")

    monkeypatch.setattr(robot.speaker._encoder, "encode_text", encode_text)
    with robot:
        robot.wait(Health)  # the reader has joined
        assert asked.wait(60.0)
        lessons = {t for t in threading.enumerate() if t.name == "labels"} - before
        stop = robot.publish._learning._stop
        robot.publish.reconfigure(dataclasses.replace(robot.live, questions=()))
        until(stop.is_set)
        release.set()
        for lesson in lessons:
            lesson.join(60.0)
        robot.wait(Health, len(robot.of(Health)) + 3, 60.0)
        assert robot.events("labels_failed") == []
        assert robot.publish.status()["labels"] == ""


class Elsewhere(ToyEncoder):
    """Of another space, where words lie elsewhere."""

    def __init__(self) -> None:
        super().__init__(None)
        self.space_id, self.encoder_id = "elsewhere:111111111111", "elsewhere/1/float32"


def test_scenes_and_labels_follow_an_encoder_of_another_space(monkeypatch):
    """Breaks if a robot whose encoder was replaced has no more scenes, or scenes without words,
    because the first space that it heard of is the only one that it believes in."""
    monkeypatch.setattr(learning, "LOOK_AGAIN_S", 0.3)
    words = QuestionPlan("object", {"cat": ["cat"], "dog": ["dog"]}, ["{}"], [Modality.DEPTH], 0.0)
    with Robot("depth", questions=[words]) as robot:
        robot.start("depth")
        until(lambda: any(s.words for s in robot.of(Scene)))
        for handle in (robot.speaker, robot.handles["depth"]):
            handle.replace(Elsewhere())
        until(lambda: any(s.words for s in robot.of(Scene, space_id="elsewhere:111111111111")))
        last = robot.of(Scene)[-1].end_ns
        until(lambda: robot.of(Scene)[-1].end_ns > last + 1_000_000_000)
    spaces = [s.space_id for s in robot.of(Scene)]
    assert len(set(spaces)) == 2
    assert spaces == sorted(spaces, reverse=True)  # toy, and from some tick on elsewhere
    for space_id in set(spaces):
        scenes = robot.of(Scene, space_id=space_id)
        first = scenes[0].seq
        assert [s.seq for s in scenes] == list(range(first, first + len(scenes)))
        assert len({s.epoch for s in scenes}) == 1
    assert robot.of(Scene)[0].epoch != robot.of(Scene)[-1].epoch


def test_a_wall_clock_that_is_set_is_told(monkeypatch):
    """Breaks if readers go on comparing our stamps with a clock that jumped, unwarned."""
    with Robot("depth") as robot:
        hour_ns = 3600 * 1_000_000_000
        clock = SimpleNamespace(
            monotonic=time.monotonic,
            monotonic_ns=time.monotonic_ns,
            time_ns=lambda: time.time_ns() + hour_ns,
        )
        before_ns = robot.publish._clock.now_ns()
        monkeypatch.setattr(host_clock, "time", clock)
        (event,) = robot.wait(Event, name="clock_step")
        assert event.detail["step_ms"] == pytest.approx(3_600_000, abs=50)
        assert robot.publish._clock.now_ns() - before_ns < 60 * 10**9  # ours does not move
        monkeypatch.undo()
        robot.wait(Event, 2, name="clock_step")


def test_one_publisher_per_robot(monkeypatch):
    """Breaks if two publishers grant epochs of the same robot."""
    monkeypatch.setattr(take_over, "TAKE_OVER_S", 0.3)
    with Robot("depth") as robot:
        with pytest.raises(
            RuntimeError, match=r"'rover' already has a publisher .* another 'name' in the args"
        ):
            robot.published()
        robot.publish.check_health()


def test_a_busy_endpoint_lets_go_of_the_rest(monkeypatch):
    """Breaks if a publisher that could not bind keeps the robot's lock from its successor."""
    monkeypatch.setattr(take_over, "TAKE_OVER_S", 0.3)
    with socket.socket() as holder, Robot("depth") as robot:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        robot.publish.close()
        plan = robot.plan
        busy = dataclasses.replace(plan, endpoint=f"tcp://127.0.0.1:{port}")
        with pytest.raises(zmq.ZMQError, match="in use"):
            Publish(busy, robot.speaker, lambda live: live)
        monkeypatch.undo()  # libzmq lets go of the old address in its own time
        begun_s = time.monotonic()
        robot.publish = robot.published()
        assert time.monotonic() - begun_s < take_over.TAKE_OVER_S  # else it asked for the lock


def test_the_end_waits_for_streams_that_drain():
    """Breaks if the last windows of a robot that is shut down have no outcome for its readers."""
    with Robot("depth") as robot:
        link = Link(address("rover"))
        grant = ask(link)
        link.send(opened(grant.epoch, 0, time.time_ns()))
        link.send(opened(grant.epoch, 1, time.time_ns()))
        link.send(state(grant))
        robot.wait(Health, state="running")
        closing = threading.Thread(target=robot.publish.close)
        closing.start()
        time.sleep(0.3)
        link.send(encoded(grant.epoch, 0))
        link.send(Bye("depth", grant.epoch))
        start_ns = time.time_ns()
        with Stalls() as stalls:
            closing.join()
        assert (time.time_ns() - start_ns) / 1e9 < 2.0 + stalls.lost_s()
        until(lambda: len(robot.outcomes()) == 2)
        link.close()
    first, second = robot.outcomes()
    assert isinstance(first, Embedding)
    assert isinstance(second, Tombstone)
    assert second.reason is Reason.SHUTDOWN


def test_a_reader_on_ipv6_loopback_is_served():
    """Breaks if an endpoint that the configuration accepts cannot be bound, or our own reader
    waits there for ever."""
    with Robot("depth", endpoint=f"tcp://[::1]:{free_port()}") as robot:
        robot.start("depth")
        robot.wait(Embedding, 1)


def test_a_reader_cannot_fill_the_publishers_memory():
    """Breaks if an overlong subscription is taken in: one raw peer could end the robot. (One of
    a megabyte crashes the libzmq that sends it.)"""
    with Robot("depth") as robot:
        robot.start("depth")
        context = quiet_context()
        reader = context.socket(zmq.XSUB)
        reader.setsockopt(zmq.LINGER, 0)
        reader.connect(robot.plan.endpoint)
        reader.send(b"\x01" + b"x" * 32_000)
        reader.send(b"\x01")
        time.sleep(0.3)
        before = len(robot.of(Embedding))
        with Subscriber(robot.plan.endpoint, topics="embedding/") as good:
            assert isinstance(good.receive(PATIENCE_S), Embedding)
        robot.wait(Embedding, before + 1)
        robot.publish.check_health()
        context.destroy(0)


def test_a_state_folder_that_cannot_be_written_is_refused(monkeypatch, tmp_path):
    """Breaks if a robot that cannot keep its epochs starts all the same."""
    with Robot("depth") as robot:
        robot.publish.close()
        (robot.folder / "rover.epochs.json").write_text("damaged")
        with pytest.raises(OSError, match="damaged"):
            robot.published()
        (robot.folder / "rover.epochs.json").unlink()
        robot.publish = robot.published()
    monkeypatch.setenv("BINDSTREAM_RUNTIME_DIR", str(tmp_path / ("x" * 90)))
    with pytest.raises(ConfigError, match="BINDSTREAM_RUNTIME_DIR"):
        address("rover")


def test_a_restarted_publisher_keeps_the_time_of_its_running_streams():
    """Breaks if, once a clock was set by an hour, publisher and streams disagree after a crash, or
    the publisher goes on ticking by the clock that it had at first: no scene, no status and
    nothing given up for an hour."""
    with Robot("depth") as robot:
        robot.publish.close()
        offset_ns = time.time_ns() - time.monotonic_ns() - 3_600_000_000_000  # set by an hour since
        link = Link(address("rover"))
        link._hello, link._grant = HELLO, Grant(7, offset_ns, "dead")
        robot.publish = robot.published()
        running = State("depth", 7, offset_ns, "running", "", 1.0, 1.0, {})
        robot.wait(Health)  # the reader has joined
        now_ns = time.monotonic_ns() + offset_ns
        link.send(opened(7, 4, now_ns))
        link.send(msgspec.structs.replace(encoded(7, 4), encoded_ns=now_ns))
        until(lambda: link.send(running) or robot.of(Embedding))  # as a stream does, now and then
        (vector,) = robot.of(Embedding)
        health = robot.wait(Health, state="running")
        scene = robot.wait(Scene)[0]
        until(lambda: robot.publish.health()["status"] == "ok")
        link.close()
    assert abs(health[-1].t_ns - now_ns) < 10**10
    assert (vector.epoch, vector.seq) == (7, 4)
    assert abs(scene.end_ns - now_ns) < 10**10
    assert scene.members[0].seq == 4


def test_a_stream_that_does_not_answer_is_asked_again(monkeypatch):
    """Breaks if one answer lost on its way leaves a running stream unknown to the publisher that
    was restarted: none of its windows would ever be told."""
    monkeypatch.setattr(hearing, "REJOIN_S", 0.0)
    monkeypatch.setattr(hearing, "ASK_AGAIN_S", 0.2)
    with Robot("depth"):
        context = quiet_context()
        stream = context.socket(zmq.DEALER)
        stream.connect(address("rover"))
        asked: list[Introduce] = []

        def is_asked_twice() -> bool:
            stream.send(encode(state(Grant(7, 0))))
            while stream.poll(20):
                asked.append(decode_downward(stream.recv()))
            return len(asked) >= 2

        until(is_asked_twice)
        assert [one.again for one in asked[:2]] == [False, True]
        assert len({one.life for one in asked}) == 1
        context.destroy(0)


def test_a_stream_that_dies_is_told_as_failed_and_as_back():
    """Breaks if a stream that was killed stays "running" on `health/`, over HTTP or for a reader
    that came after its death; or its return is not told."""
    with Robot("depth", "never") as robot:
        link = Link(address("rover"))
        grant = ask(link)
        link.send(state(grant))
        robot.wait(Health, stream="depth", state="running")
        (failed,) = robot.wait(Health, stream="depth", state="failed")[:1]
        assert failed.detail["why"].startswith("nothing heard from it for")
        assert 0 < failed.t_ns - failed.detail["since_ns"] < 10**10
        robot.wait(Health, 2, stream="depth", state="failed")
        robot.wait(Health, 2, stream="never", state="opening")
        until(lambda: robot.publish.status()["streams"]["depth"]["state"] == "failed")
        assert "depth" in robot.publish.health()["streams"]
        before = len(robot.of(Health, stream="depth", state="running"))
        link.send(state(grant))
        robot.wait(Health, before + 1, stream="depth", state="running")
        assert [e["stream"] for e in robot.events("stream_failed")] == ["depth"]
        assert [e["stream"] for e in robot.events("stream_back")] == ["depth"]
        leave(link, grant)


def test_a_publisher_that_hangs_fails_its_health_check(monkeypatch):
    """Breaks if Serve keeps a publisher whose thread stands still for ever."""
    release = threading.Event()
    with Robot("depth") as robot:
        robot.publish.check_health()
        monkeypatch.setattr(publish, "HUNG_S", 0.3)
        monkeypatch.setattr(robot.publish._loop, "_watch", lambda: release.wait(PATIENCE_S))

        def hangs() -> bool:
            try:
                robot.publish.check_health()
            except RuntimeError as error:
                return "has hung for" in str(error)
            return False

        until(hangs)
        release.set()


def serve(plan: RobotPlan, folder: str, quiet_s: float) -> None:
    """A publisher in a process of its own, until it is killed. Its line is quiet once nothing came
    for ``quiet_s``: on a busy machine ZeroMQ's thread may get no turn for longer than it allows."""
    inbox.QUIET_MS, inbox.GATHER_S = round(1000 * quiet_s), 20 * quiet_s
    os.environ["BINDSTREAM_RUNTIME_DIR"] = os.environ["BINDSTREAM_STATE_DIR"] = folder
    robot = Publish(plan, Handle(ToyEncoder(None)), lambda live: live)
    robot.reconfigure(LivePlan(expect=("depth",)))  # as Serve does
    while robot:
        time.sleep(1)


@pytest.fixture
def apart():
    """A robot whose publisher is a process, to be stopped and killed; ``begin`` starts another."""
    robot = Robot("depth")
    spawn = multiprocessing.get_context("spawn")
    processes: list[Any] = []

    def begin(quiet_s: float = inbox.QUIET_MS / 1000) -> Any:
        args = (robot.plan, str(robot.folder), quiet_s)
        processes.append(spawn.Process(target=serve, args=args))
        processes[-1].start()
        return processes[-1]

    with robot:
        robot.wait(Health)
        robot.publish.close()  # the one that every Robot starts with
        robot.wait(Health, state="stopped")
        robot.heard.clear()
        yield robot, begin
        for process in processes:
            process.kill()
            process.join()


def test_of_what_queued_before_a_stopped_publisher_the_newest_is_sent(apart):
    """Breaks if a publisher that stood still for six seconds then sends all that queued, in turn,
    as if it were news; or leaves one of those windows without an outcome."""
    robot, begin = apart
    process = begin(quiet_s=2.0)
    link = Link(address("rover"))
    patient = Hello("depth", "a", About(Modality.DEPTH, 200_000_000, 120_000_000_000))
    grant = until(lambda: link.ask(patient, 5.0), "a grant")

    def cut(seq: int) -> None:
        now_ns = time.monotonic_ns() + grant.offset_ns
        link.send(opened(grant.epoch, seq, now_ns))
        link.send(msgspec.structs.replace(encoded(grant.epoch, seq), encoded_ns=now_ns))

    robot.wait(Health, timeout_s=60.0)  # the reader has joined
    for seq in range(3):
        cut(seq)
        until(lambda: len(robot.outcomes()) == seq + 1)  # noqa: B023 - called here
    os.kill(process.pid, signal.SIGSTOP)
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    for seq in range(3, 33):
        cut(seq)
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGCONT)
    until(lambda: len(robot.outcomes()) == 33)
    assert [m.seq for m in robot.outcomes()] == list(range(33))
    after = robot.outcomes()[3:]
    fresh = [m for m in after if isinstance(m, Embedding)]
    assert [m.seq for m in fresh] == [32]
    assert {m.reason for m in after if isinstance(m, Tombstone)} == {Reason.SUPERSEDED}
    link.close()


def test_a_publisher_that_is_killed_leaves_nothing_unaccounted(apart):
    """Breaks if windows that were open, or on their way to a publisher that was killed, are a gap
    for readers instead of an outcome; or if one comes twice."""
    robot, begin = apart
    process = begin()
    robot.wait(Health)  # the reader has joined
    ingest = robot.start("depth", ToyEncoder(None, slow_s=0.3))
    robot.wait(Embedding, 3)
    for _ in range(2):
        process.kill()
        process.join()
        before = len(robot.of(Embedding))
        time.sleep(1.0)
        process = begin()
        robot.wait(Embedding, before + 3)
    ingest.close()
    until(lambda: robot.of(Health, state="stopped") and robot.account()["open"] == 0)
    seqs = [m.seq for m in robot.outcomes()]
    assert seqs == list(range(len(seqs)))
    assert len({m.epoch for m in robot.outcomes()}) == 1
    account = robot.account()
    assert account["refused"] == {}
    assert account["open"] == 0
