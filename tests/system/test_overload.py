"""A slow encoder: what is published stays fresh, others are undisturbed, every drop is counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from bindstream import Embedding, Subscriber, Tombstone
from tests.patience import Stalls
from tests.system.robot import Robot

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
TOY = "tests.system.toy_encoder:ToyEncoder"
SLOW_S = 0.5
SLOW_HOP_S = 0.1
WATCH_S = 12.0


def stream(name: str, modality: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "modality": modality,
        "driver": "world",
        "options": {"modality": modality},
        **more,
    }


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    args = {
        "encoder": {
            "slow": {"kind": TOY, "weights": None, "options": {"slow_s": SLOW_S}},
            "fast": {"kind": TOY, "weights": None, "options": {"slow_s": 0.005}},
        },
        "robot": {"encoder": "fast"},
        "streams": [
            stream("front", "vision", encoder="slow", hop_s=SLOW_HOP_S),
            stream("ears", "audio", encoder="fast", hop_s=0.5),
            stream("depth", "depth", encoder="fast", hop_s=0.5),
        ],
    }
    with Robot(tmp_path_factory.mktemp("overload"), args) as robot:
        robot.wait_for("embedding", "front", 2)
        robot.wait_for("embedding", "ears", 2)
        yield robot


@pytest.fixture(scope="module")
def watched(robot: Robot) -> dict[str, Any]:
    """A dozen seconds from another process's point of view: this one's."""
    rss = {name: robot.replica(f"stream-{name}").memory_info().rss for name in ("front", "ears")}
    seen: list[Any] = []
    stalls = Stalls()
    with stalls, Subscriber(robot.endpoint, topics=["embedding/"], tombstones=True) as reader:
        until_s = time.monotonic() + WATCH_S
        while time.monotonic() < until_s:
            if (message := reader.receive(0.2)) is not None:
                seen.append(message)
        stats = reader.stats()
    grown = {
        name: robot.replica(f"stream-{name}").memory_info().rss - before
        for name, before in rss.items()
    }
    return {"seen": seen, "stats": stats, "grown": grown, "stalls": stalls}


def test_what_is_published_stays_fresh(watched: dict[str, Any]) -> None:
    """Fails when windows queue up before a slow encoder instead of the newest winning."""
    stalls, fresh = watched["stalls"], [e for e in watched["seen"] if _is(Embedding, e, "front")]
    assert len(fresh) >= (WATCH_S - stalls.lost_s()) / SLOW_S * 0.6
    for e in fresh:
        lost_s = stalls.lost_s(e.end_ns, e.received_ns)
        assert e.age_ms / 1e3 <= SLOW_HOP_S + 2 * SLOW_S + lost_s


def test_other_streams_are_undisturbed(watched: dict[str, Any]) -> None:
    """Fails when one slow encoder holds up the streams of another."""
    lost_s = watched["stalls"].lost_s()
    ears = [e for e in watched["seen"] if _is(Embedding, e, "ears")]
    assert len(ears) >= (WATCH_S - lost_s) / 0.5 * 0.9
    assert len([t for t in watched["seen"] if _is(Tombstone, t, "ears")]) <= lost_s / 0.5


def test_every_seq_is_accounted_for(watched: dict[str, Any]) -> None:
    """Fails when a dropped window vanishes instead of being announced."""
    front = [m for m in watched["seen"] if m.stream == "front"]
    seqs = [m.seq for m in front]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    reasons = {m.reason for m in front if isinstance(m, Tombstone)}
    stood_still = watched["stalls"].worst_s() > SLOW_HOP_S / 2
    assert reasons - ({"sensor_gap"} if stood_still else set()) == {"superseded"}


def test_memory_does_not_grow(watched: dict[str, Any]) -> None:
    """Fails when windows pile up somewhere in the stream's process."""
    assert max(watched["grown"].values()) < 64 << 20


def test_the_ledger_adds_up_to_the_end(robot: Robot, watched: dict[str, Any]) -> None:
    """Fails when draining loses a window: captured = published + dropped, as counted outside."""
    assert robot.stop() == 0
    for name in ("front", "ears", "depth"):
        final = robot.of("health", name)[-1]
        assert final["state"] == "stopped"
        ledger = final["detail"]["ledger"]
        dropped = sum(ledger["dropped"].values())
        assert ledger["open"] == 0
        assert ledger["captured"] == ledger["published"] + dropped
        heard = robot.of("embedding", name) + robot.of("tombstone", name)
        seqs = sorted(record["seq"] for record in heard)
        assert seqs == list(range(seqs[0], ledger["captured"]))  # seqs[0]: we came a little late
        assert 0 <= ledger["published"] - len(robot.of("embedding", name)) <= seqs[0]
        assert 0 <= dropped - len(robot.of("tombstone", name)) <= seqs[0]
    assert not psutil.pid_exists(robot.process.pid) or robot.process.poll() == 0  # type: ignore[union-attr]


def _is(kind: type[Any], message: Any, name: str) -> bool:
    return isinstance(message, kind) and message.stream == name
