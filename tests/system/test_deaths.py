"""The benchmark that kills each part starts a robot that can be."""

from __future__ import annotations

from pathlib import Path

from benchmarks.deaths import STREAMS, TITLES, Robot
from deploy.config.file import load


def test_its_robot_is_a_valid_configuration(tmp_path: Path) -> None:
    """Breaks if the file's form changes and nobody notices until the table is wanted."""
    robot = Robot(tmp_path)
    config = load(tmp_path / "robot.yaml")
    assert {stream.name for stream in config.streams} == set(STREAMS)
    assert config.robots[0].args.publish.endpoint == robot.endpoint
    assert set(STREAMS) < set(TITLES)
