"""Each application lives and dies alone: one is changed, the others do not notice.

The same changes of the same two robots, once by ``serve deploy`` on an operator's Ray and once by
``bindstream apply`` on a ``bindstream run``.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bindstream import Embedding, Scene
from tests.system.cluster import Cluster
from tests.system.fleet import (
    Fleet,
    Place,
    Watch,
    check_accounts,
    check_scenes,
    check_untouched,
    rows,
    widest_s,
)
from tests.system.robot import Robot

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
EDITED: Place = ("one", "b")
ADDED: Place = ("one", "d")
REMOVED: Place = ("one", "c")
Apply = Callable[[Fleet], dict[str, Any]]
"""Make what runs like the file; what was told of each application, where anything is."""


def test_serve_deploy_restarts_only_what_changed(tmp_path: Path) -> None:
    """Fails when an edit of one stream, a new label or a new encoder restarts, or silences, any
    other stream of this robot or of another one."""
    fleet = Fleet()
    path = tmp_path / "ray_config.yaml"
    with Cluster(tmp_path) as cluster, Watch(fleet.endpoints) as watch:

        def deploy(fleet: Fleet) -> dict[str, Any]:
            path.write_text(yaml.safe_dump(fleet.document()))
            said = cluster.serve("deploy", str(path))
            assert said.returncode == 0, said.stderr
            return {}

        deploy(fleet)
        watch.until_more(fleet.places, 3)
        cluster.until_running()
        processes = {name: p.pid for name, p in cluster.replicas().items()}
        _change_everything(watch, fleet, deploy)
        now = {name: p.pid for name, p in cluster.replicas().items()}
        kept = {n for n in processes if n.startswith(("one:", "two:"))} | {"one-a", "two-a"}
        assert len(kept) == 6
        assert {n: now[n] for n in kept} == {n: processes[n] for n in kept}
        _check_http(watch, fleet)


def test_apply_restarts_only_what_changed(tmp_path: Path) -> None:
    """Fails when `bindstream apply` restarts what did not change, or says of an application what
    did not become of it."""
    fleet = Fleet()
    with Watch(fleet.endpoints) as watch, _run(tmp_path, fleet) as robot:

        def told_of(fleet: Fleet) -> dict[str, Any]:
            robot.config.write_text(yaml.safe_dump(fleet.document()))
            said = apply(robot, robot.config)
            assert said.returncode == 0, said.stderr
            told = [json.loads(line) for line in said.stdout.splitlines()]
            return {one["app"]: one for one in told}

        watch.until_more(fleet.places, 3)
        _change_everything(watch, fleet, told_of)
        _check_http(watch, fleet)
        assert robot.stop() == 0
    check_accounts(watch)


@contextmanager
def _run(folder: Path, fleet: Fleet) -> Iterator[Robot]:
    robot = Robot(folder, fleet.document())
    robot.config.write_text(yaml.safe_dump(fleet.document()))  # with both endpoints as they are
    with robot:
        yield robot


def apply(robot: Robot, config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bindstream.command.cli", "apply", str(config), "--json"]
    return subprocess.run(command, env=robot.env, capture_output=True, text=True, timeout=300)


def _change_everything(watch: Watch, fleet: Fleet, apply: Apply) -> None:
    """One change after the other; after each, all that it did not name was left alone."""
    before = _before(watch, fleet)
    assert _kinds(apply(fleet)) in (set(), {"unchanged"})
    watch.until_more(fleet.places)
    check_untouched(watch, before, quiet_s=math.inf)
    quiet_s = max(widest_s(watch.outcomes(place)) for place in fleet.places)

    before = _before(watch, fleet)
    fleet.streams["one-b"]["hop_s"] = 0.25
    told = apply(fleet)
    watch.until("the edited stream", lambda: watch.newest(EDITED)[0] > before[EDITED][0])
    _check(watch, fleet, before, quiet_s, "edit one/b", {EDITED}, told, {"one-b": "restarted"})

    before = _before(watch, fleet)
    since = len(watch.seen)
    fleet.add("one", "d", "thermal")
    del fleet.streams["one-c"]
    told = apply(fleet)
    watch.until("the new stream", lambda: watch.newest(ADDED)[0] > 0)
    watch.until("the old stream's end", lambda: watch.events("stream_removed", since))
    assert [e.detail["stream"] for e in watch.events("stream_removed", since)] == ["c"]
    wanted = {"one-d": "added", "one-c": "removed", "one": "reconfigured"}
    _check(watch, fleet, before, quiet_s, "add one/d, remove one/c", {ADDED, REMOVED}, told, wanted)

    before = _before(watch, fleet)
    fleet.live = {
        "labels": {"sky": {"words": ["clear", "grey"], "margin": 0.0}},
        "scene": {"weights": {"a": 0.0}},
    }
    told = apply(fleet)
    watch.until("words of the new label", lambda: _newest(watch, "one").words.keys() == {"sky"})
    watch.until(
        "the new weights",
        lambda: {m.stream: m.weight for m in _newest_scene(watch, "one").members}.get("a") == 0.0,
    )
    _check(watch, fleet, before, quiet_s, "a label, a weight", set(), told, {"one": "reconfigured"})

    before = _before(watch, fleet)
    fleet.live["labels"]["sky"]["margin"] = (
        1.5  # cosines of the toy's vectors never lead by so much
    )
    told = apply(fleet)
    watch.until("silence on what leads too little", lambda: not _newest(watch, "one").words)
    _check(watch, fleet, before, quiet_s, "a threshold", set(), told, {"one": "reconfigured"})

    before = _before(watch, fleet)
    fleet.version = "2"
    told = apply(fleet)
    watch.until(
        "vectors of the new encoder",
        lambda: all(_newest(watch, *p).encoder_id == "toy/2/float32" for p in fleet.places),
    )
    _check(
        watch, fleet, before, quiet_s, "replace the encoder", set(), told, {"encoder": "restarted"}
    )
    for robot in fleet.ports:
        check_scenes(watch, robot)
    check_accounts(watch)


def _before(watch: Watch, fleet: Fleet) -> dict[Place, tuple[int, int]]:
    return {place: watch.newest(place) for place in fleet.places}


def _check(
    watch: Watch,
    fleet: Fleet,
    before: dict[Place, tuple[int, int]],
    quiet_s: float,
    what: str,
    changed: set[Place],
    told: dict[str, Any],
    wanted: dict[str, str],
) -> None:
    watch.until_more(fleet.places)
    print(*rows(watch, before, fleet.places, what), sep="\n")
    kept = {place: at for place, at in before.items() if place not in changed}
    check_untouched(watch, kept, quiet_s)
    if told:
        assert {
            app: one["kind"] for app, one in told.items() if one["kind"] != "unchanged"
        } == wanted
        for name, args in fleet.streams.items():
            place, one = (args["robot"], args["name"]), told[name]
            assert one["epoch_after"] == watch.newest(place)[0]
            assert one["epoch_before"] == before.get(place, (0, -1))[0]


def _kinds(told: dict[str, Any]) -> set[str]:
    return {one["kind"] for one in told.values()}


def _newest(watch: Watch, robot: str, stream: str = "a") -> Embedding:
    of = [m for m in watch.outcomes((robot, stream)) if isinstance(m, Embedding)]
    return of[-1]


def _newest_scene(watch: Watch, robot: str) -> Scene:
    return [m for m in watch.seen if isinstance(m, Scene) and m.robot == robot][-1]


def _check_http(watch: Watch, fleet: Fleet) -> None:
    """Each robot answers under its own route for its own streams, and its ledgers add up."""
    base = f"http://127.0.0.1:{fleet.http_port}"
    for robot, route in (("one", ""), ("two", "/two")):
        status = _get(f"{base}{route}/status")
        assert status["robot"] == robot
        assert set(status["streams"]) == {name for at, name in fleet.places if at == robot}
        for stream in status["streams"].values():
            ledger = stream["ledger"]
            dropped = sum(ledger["dropped"].values())
            assert ledger["captured"] == ledger["published"] + dropped + ledger["open"]
    before = len(watch.seen)
    request = urllib.request.Request(f"{base}/two/streams/a/pause", b"", method="POST")
    with urllib.request.urlopen(request, timeout=120) as answer:
        assert json.loads(answer.read())["stream"] == "a"
    watch.until(
        "the pause", lambda: _get(f"{base}/two/status")["streams"]["a"]["state"] == "paused"
    )
    assert _get(f"{base}/status")["streams"]["a"]["state"] != "paused"
    watch.until_more({("one", "a")})
    assert watch.outcomes(("one", "a"), before)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=120) as answer:
        return json.loads(answer.read())
