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
from pipeline.messages import About, Bye, Happened, Hello, Opened, Resume, State
from pipeline.plan import LivePlan
from pipeline.publisher import condition
from pipeline.publisher.publication import Publication
from pipeline.publisher.pulse import SILENT_NS, START_NS
from pipeline.publisher.robot_time import OUTCOME_NS
from pipeline.publisher.roster import FORGET_NS, SLEPT_NS
from pipeline.publisher.words import Question
from tests.pipeline import messages

S = 1_000_000_000
T_NS = 1_800_000_000 * S
STREAMS = {"front": Modality.VISION, "imu": Modality.IMU}
UNIT = (np.eye(4)[0]).astype("<f4")


ABOUT = {
    name: About(modality, S // 2, 5 * S, app=f"stream-{name}") for name, modality in STREAMS.items()
}


def publication(first_epoch: int = 1) -> Publication:
    p = Publication("rover", first_epoch, count(first_epoch + 1).__next__)
    p.configure(LivePlan(expect=tuple(STREAMS), max_age_s=2.5), T_NS)
    return p


def hello(stream: str = "front", instance: str = "a") -> Hello:
    return Hello(stream, instance, ABOUT[stream])


def resume(next_seq: int) -> Resume:
    return Resume("front", "a", ABOUT["front"], 7, 0, next_seq=next_seq)


def opened(epoch: int, seq: int, stream: str = "front") -> Opened:
    end_ns = T_NS + seq * S // 2
    modality = ABOUT[stream].modality if stream in ABOUT else Modality.VISION
    return messages.opened(epoch, seq, end_ns - 2 * S, end_ns, stream, modality)


def encoded(epoch: int, seq: int, stream: str = "front", **changes: Any) -> Embedding:
    return messages.encoded(opened(epoch, seq, stream), **({"vector": UNIT} | changes))


def state(epoch: int, name: str = "running", why: str = "") -> State:
    return State("front", epoch, 0, name, why, 20.0, 20.0, {"late": 2})


def status(p: Publication, now_ns: int) -> dict[str, Any]:
    """What HTTP would answer, had every stream just been told of."""
    for stream in p.roster:
        p.bulletin.health(stream, now_ns)
    return p.seen(now_ns).status()


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
    ledger: dict[str, Any] = status(p, T_NS)["streams"][stream]["ledger"]
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
        return self.p.hear(messages.dropped(opened(epoch, seq, stream)), T_NS)

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
    deadline_ns = T_NS + 5 * S + OUTCOME_NS
    assert p.give_up(deadline_ns) == []
    said = p.give_up(deadline_ns + 1)
    assert outcomes(said) == [(epoch, 0, "crash_lost"), (epoch, 1, "superseded")]  # waited too long
    assert p.hear(encoded(epoch, 0), deadline_ns + 2) == []  # too late: told as lost already
    p.hear(opened(epoch, 21), T_NS + 10 * S)
    assert p.hear(encoded(epoch, 21), T_NS + 11 * S) == []
    left = p.hear(messages.dropped(opened(epoch, 2)), T_NS + 11 * S)
    assert outcomes(left) == [(epoch, 2, "superseded"), (epoch, 21, "published")]
    sums = account(p)
    assert (sums["captured"], sums["published"], sums["open"]) == (4, 1, 0)
    assert sums["dropped"] == {"crash_lost": 1, "superseded": 2}


def test_what_was_announced_late_is_not_given_up_at_once():
    """Breaks if the backlog of a publisher that was away is declared lost before it is read."""
    p = publication()
    epoch = epoch_of(p)
    late_ns = T_NS + 600 * S
    p.hear(opened(epoch, 0), late_ns)
    assert p.give_up(late_ns + 1) == []
    assert outcomes(p.hear(encoded(epoch, 0), late_ns + 2)) == [(epoch, 0, "superseded")]


def test_the_same_start_asked_twice_gets_the_same_epoch():
    """Breaks if a hello repeated because the answer was slow drops the stream's open windows."""
    p = publication()
    first = epoch_of(p, "a")
    p.hear(opened(first, 0), T_NS)
    assert epoch_of(p, "a") == first
    assert outcomes(p.hear(encoded(first, 0), T_NS)) == [(first, 0, "published")]
    assert epoch_of(p, "b") > first


def test_a_stream_that_nobody_announced_is_taken_in():
    """Breaks if adding a stream needs the publisher to be told first, or scenes leave it out."""
    p = publication()
    about = About(Modality.AUDIO, S, 5 * S, app="stream-rear")
    grant, said = p.greet(Hello("rear", "x", about), T_NS, 0)
    assert grant.epoch > 0
    assert [m.name for m in said] == ["stream_started"]
    p.hear(opened(grant.epoch, 0, "rear"), T_NS)
    p.hear(encoded(grant.epoch, 0, "rear"), T_NS)
    (scene,) = p.scenes.at(T_NS, T_NS)
    assert scene is not None
    assert {m.stream for m in scene.members if m.weight > 0} == {"rear"}
    assert status(p, T_NS)["streams"]["rear"]["app"] == "stream-rear"


def test_a_stream_that_was_removed_is_forgotten_and_one_expected_back_is_not():
    """Breaks if a stream taken out of the file stays in status and scenes for ever, or one that is
    only restarting vanishes from them."""
    p = publication()
    epochs = {name: epoch_of(p, stream=name) for name in STREAMS}
    p.configure(LivePlan(expect=("front",)), T_NS)
    for name, epoch in epochs.items():
        p.hear(Bye(name, epoch), T_NS)
    later_ns = T_NS + FORGET_NS + 1
    told = [m for m in p.watch(later_ns) if isinstance(m, Event)]
    assert [(m.name, m.detail["stream"]) for m in told] == [("stream_removed", "imu")]
    assert set(status(p, later_ns)["streams"]) == {"front"}


def test_who_is_expected_changes_while_it_runs():
    """Breaks if a stream that should come and does not is not missed, or is missed for ever once
    nobody expects it."""
    p = publication()
    p.configure(LivePlan(expect=("front", "imu", "nose")), T_NS)
    assert status(p, T_NS)["streams"]["nose"]["state"] == "opening"
    p.configure(LivePlan(expect=("front", "imu")), T_NS)
    p.watch(T_NS)
    assert "nose" not in status(p, T_NS)["streams"]


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


def test_a_new_start_is_not_told_as_its_predecessor_was():
    """Breaks if, from its restart to its first word, a stream is shown with the state, the reason,
    the rates and the counters of the process that is gone."""
    p = publication()
    p.watch(T_NS)
    p.hear(state(epoch_of(p, "a"), "paused", "told to pause"), T_NS)
    new = epoch_of(p, "b")
    (health,) = (m for m in p.watch(T_NS + S // 4) if isinstance(m, Health) and m.stream == "front")
    assert (health.state, health.detail["why"]) == ("opening", "has not told its state yet")
    assert health.detail["wanted_rate_hz"] == 0.0
    assert "late" not in health.detail
    p.hear(state(new), T_NS + S)
    assert status(p, T_NS + S)["streams"]["front"]["state"] == "running"


def test_what_a_stream_said_before_it_resumed_still_holds():
    """Breaks if a running stream is told as opening because its publisher was restarted."""
    p = publication(first_epoch=40)
    p.hear(state(7), T_NS)
    p.hear(resume(11), T_NS)
    assert status(p, T_NS)["streams"]["front"]["state"] == "running"


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
    assert status(p, T_NS)["streams"]["front"]["state"] == "running"
    assert not p.roster.all_ended()
    assert outcomes(p.hear(encoded(new, 0), T_NS)) == [(new, 0, "published")]


def test_a_restarted_publisher_goes_on_with_running_epochs():
    """Breaks if the publisher's own restart makes streams start over, counts a seq that merely
    goes on as skipped or refused, or leaves a window of its predecessor unaccounted."""
    p = publication(first_epoch=40)
    stray = encoded(7, 11)
    assert p.roster.is_stranger(stray)
    assert p.hear(stray, T_NS) == []  # it is said again once the stream has resumed
    assert p.hear(opened(7, 12), T_NS) == []
    p.hear(resume(11), T_NS)
    assert not p.roster.is_stranger(stray)
    for message in (opened(7, 11), stray, opened(7, 12), encoded(7, 12)):
        p.hear(message, T_NS)
    sums = account(p)
    assert (sums["captured"], sums["published"], sums["open"]) == (2, 2, 0)
    assert sums["refused"] == {}
    assert status(p, T_NS)["refused"] == 0
    assert p.outcomes.settled() == {"front": (7, 12)}
    assert status(p, T_NS)["streams"]["front"]["epoch"] == 7
    assert not p.roster.all_ended()
    assert epoch_of(p, "b") == 41


def test_a_resume_said_twice_or_by_a_predecessor_changes_nothing():
    """Breaks if a stream that drains beside its successor takes the epoch back."""
    p = publication(first_epoch=40)
    p.hear(resume(11), T_NS)
    p.hear(opened(7, 11), T_NS)
    assert p.hear(resume(11), T_NS) == []
    assert account(p)["open"] == 1
    new = epoch_of(p, "b")
    assert p.hear(resume(12), T_NS) == []
    assert status(p, T_NS)["streams"]["front"]["epoch"] == new
    assert status(p, T_NS)["refused"] == 1


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
    assert p.roster.all_ended()


def test_health_is_judged_by_what_was_published():
    """Breaks if a robot counts as well because its processes live."""
    p = publication()
    p.watch(T_NS)
    assert p.seen(T_NS).health()["status"] == "down"
    epoch = epoch_of(p)
    p.hear(state(epoch, "opening", "no such device"), T_NS)
    not_there = "has not started: nothing heard from it for 0.0 s"
    assert p.seen(T_NS).health()["streams"] == {"front": "no such device", "imu": not_there}
    p.hear(state(epoch), T_NS)
    assert p.seen(T_NS).health()["streams"]["front"] == "nothing published yet"
    assert (
        p.seen(T_NS + 3 * S).health()["streams"]["front"]
        == "no vector for 3.0 s: no window was cut"
    )
    p.hear(opened(epoch, 0), T_NS)
    p.hear(encoded(epoch, 0), T_NS)
    assert p.seen(T_NS + S).health()["status"] == "degraded"
    assert (
        p.seen(T_NS + 9 * S).health()["streams"]["front"]
        == "no vector for 9.0 s: no window was cut"
    )
    p.hear(state(epoch, "paused"), T_NS)
    assert set(p.seen(T_NS + 9 * S).health()["streams"]) == {"imu"}


def test_what_http_is_answered_is_not_computed_by_the_thread_of_the_sockets(monkeypatch):
    """Breaks if quantiles of all streams are taken, several times a second, between two vectors."""
    p = publication()
    (grant, _) = p.greet(hello(), T_NS, 0)
    p.hear(opened(grant.epoch, 0), T_NS)
    p.hear(encoded(grant.epoch, 0), T_NS)
    (told,) = p.hear(state(grant.epoch), T_NS)
    monkeypatch.setattr(condition, "detail", lambda *_: pytest.fail("computed anew"))
    seen = p.seen(T_NS + S).status()
    assert seen["streams"] == {"front": {**told.detail, "state": "running"}}


def test_a_stream_that_is_over_ails_nobody():
    """Breaks if /healthz calls a robot ill because its recording came to its end."""
    p = publication()
    p.configure(LivePlan(expect=("front",)), T_NS)
    p.watch(T_NS)
    epoch = epoch_of(p)
    p.hear(state(epoch, "ended", "the drive has ended"), T_NS)
    assert p.seen(T_NS + 60 * S).health() == {"status": "ok", "streams": {}}
    assert status(p, T_NS)["streams"]["front"]["state"] == "ended"
    assert status(p, T_NS)["streams"]["front"]["why"] == "the drive has ended"


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
    return Question("object", ("dog", "cat"), {Modality.VISION: vectors}, 0.1)


def test_words_are_answered_within_their_space_only():
    """Breaks if vectors of two spaces are compared: a word that means nothing, or a crash."""
    p = publication()
    p.asked.ask([question()], "toy:000000000000")
    epoch = epoch_of(p)
    for seq in range(2):
        p.hear(opened(epoch, seq), T_NS)
    (known,) = p.hear(encoded(epoch, 0), T_NS)
    other = np.ones(7, "<f4") / np.sqrt(7)
    (foreign,) = p.hear(encoded(epoch, 1, space_id="other", vector=other), T_NS)
    assert known.words == {"object": "dog"}
    assert foreign.words == {}


def test_a_scene_joins_what_was_published_and_answers():
    """Breaks if scenes are not stamped, not answered, or made of nothing."""
    p = publication(first_epoch=40)
    p.asked.ask([question()], "toy:000000000000")
    assert p.scenes.at(T_NS, T_NS) == []
    epoch = epoch_of(p)
    epoch_of(p, stream="imu")
    p.hear(opened(epoch, 0), T_NS)
    p.hear(encoded(epoch, 0), T_NS)
    (scene,) = p.scenes.at(T_NS + S // 2, T_NS + S)
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


def test_words_of_a_scene_are_those_of_its_members():
    """Breaks if words, vector and members of one message come from different data: a newer vector
    that ends after the tick is no member of the scene, and has no say in its words."""
    p = publication()
    p.asked.ask([question()], "toy:000000000000")
    epoch = epoch_of(p)
    for seq, axis in ((0, 0), (1, 1)):
        p.hear(opened(epoch, seq), T_NS + S)
        vector = np.eye(4)[axis].astype("<f4")
        p.hear(encoded(epoch, seq, vector=vector), T_NS + S)
    (scene,) = p.scenes.at(T_NS + S // 4, T_NS + S)  # the second ends at T + 0.5 s
    assert scene is not None
    assert scene.members[0].seq == 0
    np.testing.assert_array_equal(scene.vector, np.eye(4)[0])
    assert scene.words == {"object": "dog"}


def test_an_epoch_that_cannot_be_kept_leaves_the_stream_as_it_was():
    """Breaks if one Hello refused by a full disk silences a stream for ever: it was remembered
    before it had a number, and got its old epoch, or 0, when it asked again."""
    p, full = publication(), [False]
    numbers = count(2)

    def next_epoch() -> int:
        if full[0]:
            raise OSError(28, "No space left on device")
        return next(numbers)

    p._next_epoch = next_epoch
    full[0] = True
    with pytest.raises(OSError, match="No space"):
        p.greet(hello(instance="a"), T_NS, 0)
    full[0] = False
    first = epoch_of(p, "a")
    assert first == 2
    p.hear(opened(first, 0), T_NS)
    full[0] = True
    with pytest.raises(OSError, match="No space"):
        p.greet(hello(instance="b"), T_NS, 0)
    assert outcomes(p.hear(encoded(first, 0), T_NS)) == [(first, 0, "published")]  # not yet ended
    full[0] = False
    second = epoch_of(p, "b")
    assert second > first
    p.hear(opened(second, 0), T_NS)
    assert outcomes(p.hear(encoded(second, 0), T_NS)) == [(second, 0, "published")]
    assert account(p)["refused"] == {}


def test_a_stream_that_may_not_start_says_why():
    """Breaks if a stream that asks and is refused passes for one whose process is dead."""
    p, full = publication(), [True]

    def next_epoch() -> int:
        if full[0]:
            raise OSError("no epoch is left")
        return 7

    p._next_epoch = next_epoch
    with pytest.raises(OSError, match="no epoch"):
        p.greet(hello(instance="a"), T_NS, 0)
    watched(p, T_NS, T_NS + 12 * S)
    health = p.seen(T_NS + 12 * S).status()["streams"]["front"]
    assert (health["state"], health["why"]) == (
        "failed",
        "asks to start, and cannot: no epoch is left",
    )
    full[0] = False
    assert epoch_of(p, "a") == 7
    p.watch(T_NS)
    assert "asks to start" not in p.seen(T_NS).status()["streams"]["front"]["why"]


def told(said: list[Any]) -> list[tuple[str, str]]:
    return [
        (m.name, m.detail["stream"]) if isinstance(m, Event) else (m.state, m.stream)
        for m in said
        if isinstance(m, Event | Health)
    ]


def watched(p: Publication, from_ns: int, to_ns: int) -> list[Any]:
    """As the publisher does it: four times a second."""
    return [m for at in range(from_ns, to_ns, S // 4) for m in p.watch(at)]


def test_a_stream_that_falls_silent_has_failed_and_comes_back():
    """Breaks if a stream that was killed, hung or stopped stays "running" for its readers, or is
    not on `health/` any more, or nobody is told when it is back."""
    p = publication()
    p.watch(T_NS)
    epoch = epoch_of(p)
    p.hear(state(epoch), T_NS)
    said = watched(p, T_NS, T_NS + 3 * S)
    failed = next(m for m in said if isinstance(m, Health) and m.state == "failed")
    assert failed.stream == "front"
    assert SILENT_NS < failed.t_ns - T_NS <= 3 * S
    assert failed.detail["since_ns"] == T_NS
    assert failed.detail["why"].startswith("nothing heard from it for 2.")
    assert ("stream_failed", "front") in told(said)
    later = watched(p, T_NS + 3 * S, T_NS + 9 * S)
    assert told(later).count(("failed", "front")) >= 4  # who asks later is told too
    assert ("stream_failed", "front") not in told(later)
    assert status(p, T_NS + 9 * S)["streams"]["front"]["state"] == "failed"
    assert (
        p.seen(T_NS + 9 * S)
        .health()["streams"]["front"]
        .startswith("nothing heard from it for 9.0 s")
    )
    back = p.hear(state(epoch), T_NS + 9 * S)
    assert told(back) == [("stream_back", "front"), ("running", "front")]


def test_a_stream_that_never_started_is_on_health():
    """Breaks if a configured stream whose process never came is not there at all."""
    p = publication()
    said = watched(p, T_NS, T_NS + 3 * S)
    assert ("opening", "imu") in told(said)
    health = next(m for m in said if isinstance(m, Health) and m.stream == "imu")
    assert health.detail["why"].startswith("has not started: nothing heard from it for")
    assert health.detail["since_ns"] == T_NS
    assert ("failed", "imu") not in told(said)
    later = watched(p, T_NS + 3 * S, T_NS + START_NS + S)
    assert told(later).count(("stream_failed", "imu")) == 1
    assert ("failed", "imu") in told(later)


def test_a_publisher_that_was_stopped_itself_blames_nobody():
    """Breaks if all streams are told as failed after the publisher alone stood still."""
    p = publication()
    p.watch(T_NS)
    p.hear(state(epoch_of(p)), T_NS)
    assert ("failed", "front") not in told(p.watch(T_NS + 10 * SLEPT_NS))


def test_a_goodbye_is_no_failure():
    """Breaks if a stream that drained and left is told as dead."""
    p = publication()
    p.watch(T_NS)
    epoch = epoch_of(p)
    p.hear(state(epoch), T_NS)
    p.hear(Bye("front", epoch), T_NS)
    said = told(watched(p, T_NS, T_NS + 5 * S))
    assert ("failed", "front") not in said
    assert ("stopped", "front") in said


def test_a_clock_taken_over_fails_nobody():
    """Breaks if a stream counts as silent for the size of a step of the clock."""
    p = publication()
    p.watch(T_NS)
    epoch_of(p)
    p.roster.shift(3600 * S)
    said = p.watch(T_NS + 3600 * S + S // 4)
    assert ("failed", "front") not in told(said)
    assert ("failed", "front") in told(watched(p, T_NS + 3600 * S, T_NS + 3603 * S))


def drought(p: Publication, epoch: int, reasons: list[Reason], at_ns: int) -> dict[str, Any]:
    """Windows cut and dropped; then what health says."""
    first = account(p)["captured"]
    for seq, reason in enumerate(reasons, first):
        p.hear(opened(epoch, seq), at_ns)
        p.hear(messages.dropped(opened(epoch, seq), reason), at_ns)
    (health,) = (m for m in p.hear(state(epoch), at_ns) if isinstance(m, Health))
    assert health.state == "running"
    return health.detail


def test_a_stream_that_runs_without_vectors_says_why():
    """Breaks if health says "running" and nothing else while no vector comes out."""
    p = publication()
    epoch = epoch_of(p)
    p.hear(state(epoch), T_NS)
    busy = [Reason.SUPERSEDED] * 3 + [Reason.ENCODER_TIMEOUT]
    loading = drought(p, epoch, busy, T_NS + 4 * S)
    assert loading["why"] == (
        "loading: no vector from the encoder yet, for 4.0 s: "
        "3 of the last 4 windows superseded, 1 encoder_timeout"
    )
    assert loading["since_ns"] == T_NS
    p.hear(opened(epoch, 4), T_NS + 4 * S)
    p.hear(encoded(epoch, 4), T_NS + 4 * S)
    assert drought(p, epoch, [], T_NS + 4 * S)["why"] == ""
    after = drought(p, epoch, [Reason.ENCODER_TIMEOUT] * 12, T_NS + 4 * S + 5_200_000_000)
    assert after["why"] == "no vector for 5.2 s: 10 of the last 10 windows encoder_timeout"
    assert after["since_ns"] == T_NS + 4 * S


def test_an_encoder_that_refuses_from_the_start_is_not_loading():
    """Breaks if data that no encoder takes looks like an encoder that will come."""
    p = publication()
    epoch = epoch_of(p)
    p.hear(state(epoch), T_NS)
    why = drought(p, epoch, [Reason.INVALID_INPUT] * 2, T_NS + 4 * S)["why"]
    assert why == "no vector for 4.0 s: 2 of the last 2 windows invalid_input"


def test_a_long_pause_is_no_drought():
    """Breaks if a stream that was just resumed is told as ailing for the length of its pause."""
    p = publication()
    epoch = epoch_of(p)
    p.hear(opened(epoch, 0), T_NS)
    p.hear(encoded(epoch, 0), T_NS)
    p.hear(state(epoch, "paused"), T_NS + S)
    p.hear(state(epoch), T_NS + 600 * S)
    assert p.seen(T_NS + 601 * S).health()["streams"].get("front") is None


def test_of_a_backlog_the_newest_wins():
    """Breaks if a publisher that was stopped sends, one by one, what queued meanwhile."""
    p = publication()
    epoch = epoch_of(p)
    now_ns = T_NS + 5 * S  # ends are T .. T + 3.5 s: all within their deadline of 5 s
    said: list[Any] = []
    for seq in range(8):
        said += p.hear(opened(epoch, seq), now_ns)
        said += p.hear(encoded(epoch, seq), now_ns, overtaken=seq < 7)
    fates = [fate for _, _, fate in outcomes(said)]
    assert fates == ["superseded"] * 7 + ["published"]
    assert [seq for _, seq, _ in outcomes(said)] == list(range(8))


def test_two_vectors_at_once_are_both_news():
    """Breaks if windows that a batch of the encoder finished together cost each other."""
    p = publication()
    epoch = epoch_of(p)
    said: list[Any] = []
    for seq in range(2):
        p.hear(opened(epoch, seq), T_NS + S)
    for seq in range(2):
        fresh = encoded(epoch, seq, encoded_ns=T_NS + S)
        said += p.hear(fresh, T_NS + S + 1, overtaken=seq < 1)
    assert [fate for _, _, fate in outcomes(said)] == ["published", "published"]


def test_what_is_past_its_deadline_is_not_published():
    """Breaks if a vector older than the stream's `deadline_s` reaches readers as news."""
    p = publication()
    epoch = epoch_of(p)
    p.hear(opened(epoch, 0), T_NS)
    p.hear(opened(epoch, 1), T_NS)
    on_time = p.hear(encoded(epoch, 0), T_NS + 5 * S)
    late = p.hear(encoded(epoch, 1), T_NS + S // 2 + 5 * S + 1)
    assert outcomes([*on_time, *late]) == [(epoch, 0, "published"), (epoch, 1, "superseded")]
