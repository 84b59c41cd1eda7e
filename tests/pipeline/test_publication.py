"""Accounts, order, epochs and scenes of a robot's streams, without sockets or clocks."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.types import Embedding, Event, Health, Modality, Reason, Tombstone
from pipeline.link import Bye, Dropped, Encoded, Happened, Hello, Opened, State
from pipeline.plan import PublishPlan
from pipeline.publication import PATIENCE_NS, Publication
from pipeline.words import Question

S = 1_000_000_000
T_NS = 1_800_000_000 * S
STREAMS = {"front": Modality.VISION, "imu": Modality.IMU}
UNIT = (np.eye(4)[0]).astype("<f4")


def publication(first_epoch: int = 1) -> Publication:
    plan = PublishPlan(
        robot="rover",
        endpoint="tcp://127.0.0.1:*",
        dtype="float32",
        streams=STREAMS,
        hops_s=dict.fromkeys(STREAMS, 0.5),
        deadlines_s=dict.fromkeys(STREAMS, 5.0),
        max_ages_s=dict.fromkeys(STREAMS, 2.5),
        weights={},
        scene_hop_s=0.5,
        scene_delay_s=0.1,
        questions=[],
    )
    return Publication(plan, first_epoch, count(first_epoch + 1).__next__)


def hello(stream: str = "front", instance: str = "a") -> Hello:
    return Hello(stream, instance, STREAMS[stream], S // 2, 20.0)


def opened(epoch: int, seq: int, stream: str = "front") -> Opened:
    end_ns = T_NS + seq * S // 2
    return Opened(stream, STREAMS[stream], epoch, seq, end_ns - 2 * S, end_ns)


def encoded(epoch: int, seq: int, stream: str = "front", **changes: Any) -> Encoded:
    end_ns = T_NS + seq * S // 2
    fields: dict[str, Any] = {
        "n_missing": 0,
        "captured_ns": end_ns,
        "windowed_ns": end_ns,
        "encoded_ns": end_ns,
        "queue_ms": 0.5,
        "encode_ms": 3.0,
        "space_id": "toy:000000000000",
        "encoder_id": "toy",
        "vector": UNIT.tobytes(),
    }
    return Encoded(stream=stream, epoch=epoch, seq=seq, **(fields | changes))


def state(epoch: int, name: str = "running", why: str = "") -> State:
    return State("front", Modality.VISION, epoch, 0, name, why, 20.0, 20.0, {"late": 2})


def outcomes(said: list[Any]) -> list[tuple[int, int, str]]:
    return [
        (m.epoch, m.seq, m.reason.value if isinstance(m, Tombstone) else "published")
        for m in said
        if isinstance(m, Embedding | Tombstone)
    ]


def epoch_of(p: Publication, instance: str = "a", stream: str = "front") -> int:
    grant, _ = p.greet(hello(stream, instance), T_NS, 7)
    assert grant is not None
    return grant.epoch


def account(p: Publication, stream: str = "front") -> dict[str, Any]:
    ledger: dict[str, Any] = p.status(T_NS)["streams"][stream]["ledger"]
    return ledger


class Streams:
    """Two ingests as seen by the publisher, in whatever order their messages come."""

    def __init__(self, p: Publication) -> None:
        self.p = p
        self.epochs: dict[str, list[int]] = {name: [] for name in STREAMS}
        self.cut: dict[tuple[str, int], int] = defaultdict(int)
        self.over: set[tuple[str, int]] = set()
        self.left: dict[str, list[tuple[int, int, str]]] = {name: [] for name in STREAMS}
        self._instances = count()

    def do(self, stream: str, act: str, pick: int) -> None:
        for message in self._said(stream, act, pick):
            if isinstance(message, Embedding | Tombstone):
                self.left[message.stream] += outcomes([message])
        self.check(stream)

    def _said(self, stream: str, act: str, pick: int) -> list[Any]:
        if act == "hello" or not self.epochs[stream]:
            grant, said = self.p.greet(hello(stream, str(next(self._instances))), T_NS, 0)
            assert grant is not None
            assert grant.epoch > max([0, *self.epochs[stream]])
            self.epochs[stream].append(grant.epoch)
            return said
        epoch = self.epochs[stream][-1 - (pick % 10 == 9 and len(self.epochs[stream]) > 1)]
        key, newest = (stream, epoch), epoch == self.epochs[stream][-1]
        if act == "open":
            seq = self.cut[key]
            if newest and key not in self.over:
                self.cut[key] += 1
            return self.p.hear(opened(epoch, seq, stream), T_NS)
        if act == "bye":
            self.over.add(key)
            return self.p.hear(Bye(stream, epoch), T_NS)
        seq = max(0, self.cut[key] - 1 - pick % 4)  # some twice, some never opened
        if act == "encode":
            return self.p.hear(encoded(epoch, seq, stream), T_NS)
        return self.p.hear(Dropped(stream, epoch, seq, Reason.SUPERSEDED), T_NS)

    def check(self, stream: str) -> None:
        sums = account(self.p, stream)
        cut = sum(n for (name, _), n in self.cut.items() if name == stream)
        assert sums["captured"] == cut
        assert cut == sums["published"] + sum(sums["dropped"].values()) + sums["open"]
        assert self.left[stream] == sorted(set(self.left[stream]), key=lambda o: o[:2])

    def check_end(self) -> None:
        for stream in STREAMS:
            assert account(self.p, stream)["open"] == 0
            expected = [(e, s) for e in self.epochs[stream] for s in range(self.cut[(stream, e)])]
            assert [o[:2] for o in self.left[stream]] == expected
            published = [o for o in self.left[stream] if o[2] == "published"]
            assert len(published) == account(self.p, stream)["published"]


ACTS = st.tuples(
    st.sampled_from(sorted(STREAMS)),
    st.sampled_from(["open", "open", "open", "encode", "encode", "drop", "bye", "hello"]),
    st.integers(0, 99),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTS, max_size=50))
def test_every_window_leaves_once_in_order_and_the_sum_holds(acts):
    """Breaks if any interleaving of two streams, restarts, doubles, strays and late messages of a
    draining predecessor loses, repeats or reorders a seq, or bends captured = published +
    dropped + open."""
    p = publication()
    streams = Streams(p)
    for act in acts:
        streams.do(*act)
    for message in p.shut(T_NS):
        if isinstance(message, Embedding | Tombstone):
            streams.left[message.stream] += outcomes([message])
    streams.check_end()


def test_a_held_outcome_is_stamped_when_it_leaves():
    """Breaks if `published_ns` claims that a reader had a vector before it left."""
    p = publication()
    epoch = epoch_of(p)
    p.hear(opened(epoch, 0), T_NS)
    p.hear(opened(epoch, 1), T_NS)
    assert p.hear(encoded(epoch, 1), T_NS + 1) == []
    first, second = p.hear(encoded(epoch, 0), T_NS + 9)
    assert (first.seq, first.published_ns) == (0, T_NS + 9)
    assert (second.seq, second.published_ns) == (1, T_NS + 9)


def test_a_lost_outcome_holds_up_nobody_for_long():
    """Breaks if one message lost between two processes silences a stream until it restarts."""
    p = publication()
    epoch = epoch_of(p)
    for seq in range(3):
        p.hear(opened(epoch, seq), T_NS)
    assert p.hear(encoded(epoch, 1), T_NS) == []
    deadline_ns = T_NS + 5 * S + PATIENCE_NS
    assert p.give_up(deadline_ns) == []
    said = p.give_up(deadline_ns + 1)
    assert outcomes(said) == [(epoch, 0, "crash_lost"), (epoch, 1, "published")]
    assert p.hear(encoded(epoch, 0), deadline_ns + 2) == []  # too late: told as lost already
    assert outcomes(p.hear(encoded(epoch, 2), deadline_ns + 2)) == [(epoch, 2, "published")]
    sums = account(p)
    assert (sums["captured"], sums["published"], sums["open"]) == (3, 2, 0)
    assert sums["dropped"] == {"crash_lost": 1}


def test_what_was_announced_late_is_not_given_up_at_once():
    """Breaks if the backlog of a publisher that was away is declared lost before it is read."""
    p = publication()
    epoch = epoch_of(p)
    late_ns = T_NS + 600 * S
    p.hear(opened(epoch, 0), late_ns)
    assert p.give_up(late_ns + 1) == []
    assert outcomes(p.hear(encoded(epoch, 0), late_ns + 2)) == [(epoch, 0, "published")]


def test_the_same_start_asked_twice_gets_the_same_epoch():
    """Breaks if a hello repeated because the answer was slow drops the stream's open windows."""
    p = publication()
    first = epoch_of(p, "a")
    p.hear(opened(first, 0), T_NS)
    assert epoch_of(p, "a") == first
    assert outcomes(p.hear(encoded(first, 0), T_NS)) == [(first, 0, "published")]
    assert epoch_of(p, "b") > first


def test_a_stream_of_another_robot_gets_no_grant():
    """Breaks if a redeploy lets a new stream start under epoch 0, below all that follow."""
    p = publication()
    grant, said = p.greet(Hello("rear", "x", Modality.VISION, S, 20.0), T_NS, 0)
    assert grant is None
    assert said == []
    assert p.hear(Bye("rear", 3), T_NS) == []
    assert p.status(T_NS)["refused"] == 2


def test_a_restart_is_told_with_what_it_lost():
    """Breaks if the windows open at a crash vanish without a tombstone, or the start untold."""
    p = publication()
    old = epoch_of(p, "a")
    p.hear(opened(old, 0), T_NS)
    grant, said = p.greet(hello(instance="b"), T_NS + 5, 7)
    assert grant is not None
    assert grant.offset_ns == 7
    assert outcomes(said) == [(old, 0, "crash_lost")]
    assert isinstance(said[-1], Event)
    assert said[-1].detail == {"stream": "front", "epoch": grant.epoch}


def test_a_predecessor_that_drains_does_not_end_its_successor():
    """Breaks if a late goodbye or state of the old replica marks the new one as stopped."""
    p = publication()
    old = epoch_of(p, "a")
    p.hear(opened(old, 0), T_NS)
    new = epoch_of(p, "b")
    p.hear(state(new), T_NS)
    p.hear(opened(new, 0), T_NS)
    assert p.hear(state(old, "stopped"), T_NS) == []
    assert p.hear(encoded(old, 0), T_NS) == []
    assert p.hear(Bye("front", old), T_NS) == []
    assert p.status(T_NS)["streams"]["front"]["state"] == "running"
    assert not p.all_ended()
    assert outcomes(p.hear(encoded(new, 0), T_NS)) == [(new, 0, "published")]


def test_a_restarted_publisher_goes_on_with_running_epochs():
    """Breaks if the publisher's own restart makes streams start over, or an outcome whose
    window its predecessor heard of blocks the others."""
    p = publication(first_epoch=40)
    assert p.hear(encoded(7, 11), T_NS) == []  # opened before the restart: a gap for readers
    p.hear(opened(7, 12), T_NS)
    assert outcomes(p.hear(encoded(7, 12), T_NS)) == [(7, 12, "published")]
    assert p.status(T_NS)["streams"]["front"]["epoch"] == 7
    assert not p.all_ended()
    assert epoch_of(p, "b") == 41


def test_goodbye_drops_what_is_open_as_shutdown():
    """Breaks if a drained stream leaves windows open, or its state is not told at once."""
    p = publication()
    epoch = epoch_of(p)
    p.hear(opened(epoch, 0), T_NS)
    p.hear(opened(epoch, 1), T_NS)
    p.hear(encoded(epoch, 1), T_NS)
    *said, health = p.hear(Bye("front", epoch), T_NS)
    assert outcomes(said) == [(epoch, 0, "shutdown"), (epoch, 1, "published")]
    assert isinstance(health, Health)
    assert health.state == "stopped"
    assert p.all_ended()


def test_health_is_judged_by_what_was_published():
    """Breaks if a robot counts as well because its processes live."""
    p = publication()
    assert p.health(T_NS)["status"] == "down"
    epoch = epoch_of(p)
    p.hear(state(epoch, "opening", "no such device"), T_NS)
    assert p.health(T_NS)["streams"] == {"front": "no such device", "imu": "opening"}
    p.hear(state(epoch), T_NS)
    assert p.health(T_NS)["streams"]["front"] == "nothing published yet"
    p.hear(opened(epoch, 0), T_NS)
    p.hear(encoded(epoch, 0), T_NS)
    assert p.health(T_NS + S)["status"] == "degraded"
    assert p.health(T_NS + 9 * S)["streams"]["front"] == "nothing published for 9.0 s"
    p.hear(state(epoch, "paused"), T_NS)
    assert p.health(T_NS + 9 * S)["streams"] == {"imu": "opening"}


def test_health_message_holds_ledger_ages_and_counters():
    """Breaks if `bindstream status` and the table lose what they show."""
    p = publication()
    epoch = epoch_of(p)
    p.hear(opened(epoch, 0), T_NS)
    p.hear(encoded(epoch, 0), T_NS + 40_000_000)
    (health,) = p.hear(state(epoch), T_NS + 50_000_000)
    assert (health.state, health.stream) == ("running", "front")
    assert health.detail["ledger"]["published"] == 1
    assert health.detail["age_ms"]["p50"] == pytest.approx(40.0)
    assert health.detail["late"] == 2
    assert set(health.detail["stages_ms"]) == {
        "capture", "window", "queue", "encode", "hop", "publish",
    }  # fmt: skip


def question(axis: int = 0) -> Question:
    vectors = np.eye(4, dtype=np.float32)[[axis, (axis + 1) % 4]]
    return Question("object", ("dog", "cat"), vectors, frozenset({Modality.VISION}), 0.1)


def test_words_are_answered_within_their_space_only():
    """Breaks if vectors of two spaces are compared: a word that means nothing, or a crash."""
    p = publication()
    p.ask([question()], "toy:000000000000")
    epoch = epoch_of(p)
    for seq in range(2):
        p.hear(opened(epoch, seq), T_NS)
    (known,) = p.hear(encoded(epoch, 0), T_NS)
    other = np.ones(7, "<f4") / np.sqrt(7)
    (foreign,) = p.hear(encoded(epoch, 1, space_id="other", vector=other.tobytes()), T_NS)
    assert known.words == {"object": "dog"}
    assert foreign.words == {}


def test_a_scene_joins_what_was_published_and_answers():
    """Breaks if scenes are not stamped, not answered, or made of nothing."""
    p = publication(first_epoch=40)
    p.ask([question()], "toy:000000000000")
    assert p.scene(T_NS, T_NS) is None
    epoch = epoch_of(p)
    p.hear(opened(epoch, 0), T_NS)
    p.hear(encoded(epoch, 0), T_NS)
    scene = p.scene(T_NS + S // 2, T_NS + S)
    assert scene is not None
    assert (scene.epoch, scene.seq, scene.published_ns) == (40, 0, T_NS + S)
    assert scene.words == {"object": "dog"}
    assert [m.seq for m in scene.members] == [0, -1]


def test_events_of_streams_reach_readers():
    """Breaks if what happened to a sensor is kept from those who read."""
    p = publication()
    detail = {"stream": "front", "why": "unplugged"}
    (event,) = p.hear(Happened("front", "stream_lost", T_NS, detail), T_NS)
    assert (event.name, event.t_ns, event.detail) == ("stream_lost", T_NS, detail)
