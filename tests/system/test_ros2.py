"""A ROS 2 robot on a zenoh router, as sensors of a whole robot, whose words come back to ROS 2.

No ROS is here: a publisher as rmw_zenoh's sends CDR made by rosbags, and a subscription as
rmw_zenoh's decodes what comes back by rosbags.
"""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.devices import ros2_robot
from tests.system.robot import Robot
from tests.system.test_overload import TOY

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]
PACKAGE = Path(__file__).parents[2] / "examples" / "bindstream_msgs"
IMU_HZ, FRAME_HZ = 400.0, 30.0


def stream(name: str, modality: str, topic: str, router: str, hop_s: float) -> dict[str, Any]:
    options = {"topic": topic, "modality": modality, "router": router}
    told = {"name": name, "modality": modality, "driver": "ros2", "options": options}
    return {**told, "hop_s": hop_s}


def picture(n: int) -> Any:
    return ros2_robot.image(time.time_ns(), np.full((240, 320, 3), n % 256, np.uint8), "bgr8")


class Reading:
    """Stamped evenly, as a sensor is, however late this busy machine sends it."""

    def __init__(self) -> None:
        self._start_ns = 0

    def __call__(self, n: int) -> Any:
        self._start_ns = self._start_ns or time.time_ns()
        return ros2_robot.imu(self._start_ns + round(n * 1e9 / IMU_HZ), gx=n % 1000 / 1000)


def publishers(router: str) -> list[ros2_robot.Publisher]:
    kinds = {"/imu/data": "Imu", "/front/image_raw": "Image"}
    return [
        ros2_robot.Publisher(router, topic, f"sensor_msgs/msg/{kind}")
        for topic, kind in kinds.items()
    ]


def test_a_ros2_robot_is_embedded_and_heard_in_ros(tmp_path: Path) -> None:
    """Breaks if a message is lost between ROS and the windows, a window is not encoded, or what
    was published does not come back to ROS whole; or if the streams need the router for more than
    their own data: it is killed once, and comes back."""
    with ros2_robot.Router() as router:
        imu, front = publishers(router.address)
        args = {
            "encoder": {"kind": TOY, "weights": None},
            "streams": [
                stream("imu", "imu", "/imu/data", router.address, 0.5),
                stream("front", "vision", "/front/image_raw", router.address, 0.5),
            ],
        }
        robot = Robot(tmp_path, args)
        document = robot.config.read_text().replace(
            f"endpoint: {robot.endpoint}",
            f"endpoint: {robot.endpoint}\n      ros2: {{router: '{router.address}'}}",
        )
        robot.config.write_text(document)
        with (
            imu,
            front,
            ros2_robot.Talker(imu, IMU_HZ, Reading()),
            ros2_robot.Talker(front, FRAME_HZ, picture),
            robot,
            ros2_robot.Listener(router.address, ros2_robot.store_of(PACKAGE)) as node,
        ):
            for name in ("imu", "front"):
                robot.wait_for("embedding", name, 10)
            robot.wait("words in ROS", lambda _: all(
                len(node.of(f"/robot/{part}")) >= 5
                for part in ("imu/embedding", "front/embedding", "scene")
            ))  # fmt: skip
            check_whole(robot, node)
            with urllib.request.urlopen(f"{robot.http}/status", timeout=10) as answer:
                assert json.load(answer)["ros2"]["why"] == ""
            router.kill()
            robot.wait(
                "the router's end in health", lambda r: "is gone" in said_last(r, "imu", "why")
            )
            router.start()
            robot.wait("the stream again", lambda r: not said_last(r, "imu", "why"))
            seen, heard = len(robot.of("embedding", "imu")), len(node.of("/robot/scene"))
            robot.wait_for("embedding", "imu", seen + 3)
            robot.wait("scenes again", lambda _: len(node.of("/robot/scene")) > heard + 3)
            assert robot.stop() == 0
    assert node.refused == []


def said_last(records: list[dict[str, Any]], name: str, key: str) -> str:
    health = [r for r in records if r["kind"] == "health" and r.get("stream") == name]
    return str(health[-1]["detail"].get(key, "")) if health else ""


def check_whole(robot: Robot, node: ros2_robot.Listener) -> None:
    """Nothing was lost on the way in; what came back is what was published."""
    health = [r for r in robot.of("health") if r["stream"] == "imu"][-1]["detail"]
    assert health["rate_hz"] == pytest.approx(IMU_HZ, rel=0.2)
    for name in ("lost", "bad", "skipped", "repeated", "odd_times"):
        assert health[name] == 0, health
    published = {(r["epoch"], r["seq"]): r for r in robot.of("embedding", "imu")}
    heard = {(m.epoch, m.seq): m for m in node.of("/robot/imu/embedding")}
    both = published.keys() & heard.keys()
    assert len(both) >= 5
    for key in both:
        assert np.allclose(heard[key].vector, published[key]["vector"], atol=1e-6)
        assert heard[key].n_missing == 0
