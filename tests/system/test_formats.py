"""The whole robot obeys an encoder that wants other windows in every modality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.config.file import load
from deploy.verbs.plan import forecast
from tests.system.odd_encoder import SIDE
from tests.system.robot import Robot
from tests.system.test_lifetimes import apply
from tests.system.test_overload import stream

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
SHAPES = {
    "vision": ([3, SIDE, SIDE, 3], "uint8"),
    "audio": ([22_050], "float32"),
    "depth": ([48, 48], "float32"),
    "thermal": ([32, 32], "float32"),
    "imu": ([6, 300], "float32"),
}
WORDS = {"where": {"words": ["here", "there"], "modalities": ["audio", "imu"], "margin": 0.0}}


def noted(log: Path, key: str) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [said for line in lines if key in (said := json.loads(line))]


def test_what_an_encoder_declares_is_what_it_gets(tmp_path: Path) -> None:
    """Fails when a number of ImageBind's is left anywhere between the sensors and an encoder that
    wants others; when a text is not encoded for the modality that it is compared with; or when a
    new version of the encoder does not get its own windows while everything runs."""
    log = tmp_path / "asked"
    encoder = {
        "kind": "tests.system.odd_encoder:OddEncoder",
        "weights": None,
        "options": {"log": str(log)},
    }
    streams = [stream(name, name, hop_s=0.5) for name in SHAPES]
    with Robot(tmp_path, {"encoder": encoder, "streams": streams, "labels": WORDS}) as robot:
        for name in SHAPES:
            robot.wait_for("embedding", name, 3)
        robot.wait("words", lambda _: [r for r in robot.of("embedding", "imu") if r.get("words")])
        _check_arrivals(log)
        _check_plan(robot)
        _check_new_version(robot, log)
        assert robot.stop() == 0


def _check_arrivals(log: Path) -> None:
    arrived = noted(log, "shape")
    assert {a["stream"] for a in arrived} == set(SHAPES)
    for a in arrived:
        assert (a["shape"], a["dtype"]) == SHAPES[a["stream"]]
        assert a["largest"] > 0
    focal = {a["fx_px"] for a in arrived if a["stream"] == "depth"}
    assert len(focal) == 1
    assert {a["missing"] for a in arrived if a["stream"] == "audio"} == {0}
    assert sorted(a["loaded"] for a in noted(log, "loaded")) == sorted([*SHAPES, "text"])
    assert {a["text_for"] for a in noted(log, "text_for")} == {"audio", "imu"}


def _check_plan(robot: Robot) -> None:
    """What `plan` says before the start is what went to the encoder."""
    foretold = {f.stream: (f.window_bytes, f.length_s) for f in forecast(load(robot.config))}
    assert foretold == {
        "vision": (3 * SIDE * SIDE * 3, 1.0),
        "audio": (22_050 * 4, 1.0),
        "depth": (48 * 48 * 4, 0.5),
        "thermal": (32 * 32 * 4, 0.5),
        "imu": (6 * 300 * 4, 2.0),
    }
    for name, (_, length_s) in foretold.items():
        newest = robot.of("embedding", name)[-1]
        assert newest["end_ns"] - newest["start_ns"] == round(length_s * 1e9)


def _check_new_version(robot: Robot, log: Path) -> None:
    """Pictures of another size from now on; epochs and seqs of all streams go on."""
    epochs = {name: robot.of("embedding", name)[-1]["epoch"] for name in SHAPES}
    document = yaml.safe_load(robot.config.read_text())
    document["applications"][0]["args"]["options"]["side"] = 64
    robot.config.write_text(yaml.safe_dump(document))
    said = apply(robot, robot.config)
    assert said.returncode == 0, said.stderr
    robot.wait(
        "pictures of 64 pixels",
        lambda _: [a for a in noted(log, "shape") if a["shape"] == [3, 64, 64, 3]],
    )
    said = [n for n in noted(log, "side") if n["side"] == 64]
    first = next(i for i, n in enumerate(said) if "shape" in n)
    assert {n["loaded"] for n in said[:first]} >= {*SHAPES, "text"}  # no window waits for a tower
    so_far = {name: len(robot.of("embedding", name)) for name in SHAPES}
    for name in SHAPES:
        robot.wait_for("embedding", name, so_far[name] + 3)
    changed = [e for e in robot.of("event") if e["name"] == "format_changed"]
    assert [e["detail"]["stream"] for e in changed] == ["vision"]
    for name in SHAPES:
        told = [r for r in list(robot.records) if r["kind"] in ("embedding", "tombstone")]
        outcomes = [r for r in told if r["stream"] == name]
        first = outcomes[0]["seq"]
        assert {r["epoch"] for r in outcomes} == {epochs[name]}
        assert [r["seq"] for r in outcomes] == list(range(first, first + len(outcomes)))
