"""The text of a drafted configuration: what stands in it, and that it is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bindstream.types import Modality
from deploy.config.draft import Finding, drafted, named
from deploy.config.file import load, shipped_path

SHIPPED = shipped_path().read_text()
CAMERA = Finding("front", Modality.VISION, "camera", {"source": "/dev/video0"}, "C920", "640 x 480")
ODD = {
    "device": 'yes: "it\'s" #1 – ü',
    "list": ["ax", "x 0"],
    "off": "off",
    "n": 3,
    "deep": {"a": 1.5},
}


def test_what_was_found_is_what_runs(tmp_path):
    """Breaks if a stream is lost between finding and file, the publisher expects another, or the
    simulated robot's sensors stay beside the real ones."""
    imu = Finding("imu", Modality.IMU, "imu", {"port": "/dev/ttyUSB0", "protocol": "csv"})
    path: Path = tmp_path / "my.yaml"
    path.write_text(drafted(SHIPPED, [CAMERA, imu], "bindstream init"))
    config = load(path)
    assert [(s.name, s.driver, s.options) for s in config.streams] == [
        ("front", "camera", {"source": "/dev/video0"}),
        ("imu", "imu", {"port": "/dev/ttyUSB0", "protocol": "csv"}),
    ]
    assert set(config.robots[0].live.expect) == {"front", "imu"}
    assert config.robots[0].live.labels == load().robots[0].live.labels
    assert "# C920; 640 x 480" in path.read_text()
    assert "imagebind_huge" in path.read_text()


def test_what_does_not_work_is_a_comment(tmp_path):
    """Breaks if a busy camera is left out in silence, or makes the whole file fail."""
    busy = Finding(
        "side", Modality.VISION, "camera", {"source": "/dev/video2"}, "C270", fault="busy:\nby x"
    )
    path: Path = tmp_path / "my.yaml"
    path.write_text(drafted(SHIPPED, [CAMERA, busy], "bindstream init"))
    assert [s.name for s in load(path).streams] == ["front"]
    assert "  # C270; busy: by x\n  # - {name: side" in path.read_text()
    taken_in = path.read_text().replace("  # - {name: side", "  - {name: side")
    taken_in = taken_in.replace("  # args: {name: side", "     args: {name: side")
    names = [app["name"] for app in yaml.safe_load(taken_in)["applications"]]
    assert names == ["encoder", "front", "side", "robot"]


@pytest.mark.parametrize(
    "findings", [[], [Finding("ears", Modality.AUDIO, "microphone", fault="x")]]
)
def test_nothing_that_works_is_the_simulated_robot(tmp_path, findings):
    """Breaks if somebody without a sensor gets a file that does not run."""
    path: Path = tmp_path / "my.yaml"
    path.write_text(drafted(SHIPPED, findings, "bindstream init"))
    assert load(path).streams == load().streams
    assert "simulated robot" in path.read_text().splitlines()[0]


def test_any_option_is_read_back_as_it_was(tmp_path):
    """Breaks if a device's name with quotes, colons or YAML's own words breaks the file."""
    odd = Finding("ears", Modality.AUDIO, "microphone", ODD)
    path: Path = tmp_path / "my.yaml"
    path.write_text(drafted(SHIPPED, [odd], "bindstream init"), encoding="utf-8")
    assert load(path).streams[0].options == ODD


def test_names_are_each_somebodys():
    """Breaks if two cameras get one name."""
    assert named("front", []) == "front"
    assert named("front", ["front", "front2"]) == "front3"
