"""Whether what robots say will reach ROS 2: the libraries, and the router that hands it on."""

from __future__ import annotations

from bindstream.errors import MissingExtra
from deploy.config.file import Config
from deploy.config.plans import ros2_plan
from pipeline.ros2_out import Ros2Plan
from sensors.ros2 import session


def complaints(config: Config) -> list[str]:
    """One for all: what is not installed."""
    try:
        if _plans(config):
            session.check("publish.ros2")
    except MissingExtra as error:
        return [str(error)]
    return []


def warnings(config: Config) -> list[str]:
    """A robot runs without it too, and tries again for ever."""
    return [warning for plan in _plans(config) if (warning := _warning(plan))]


def _plans(config: Config) -> list[Ros2Plan]:
    found = (ros2_plan(robot.args) for robot in config.robots)
    return [plan for plan in found if plan is not None]


def _warning(plan: Ros2Plan) -> str:
    try:
        session.opened(plan.place).close()  # type: ignore[no-untyped-call]
    except OSError as error:  # ConnectionError is one
        return f"robot '{plan.robot}': publish.ros2: {error.strerror or error}"
    return ""
