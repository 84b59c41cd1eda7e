"""What a robot says, back on ROS 2: heard by a subscription as rmw_zenoh's, decoded by rosbags with
the definitions of the package that is built on the robot."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.ros2_out import Ros2Out, Ros2Plan
from sensors.ros2 import definitions as ros
from sensors.ros2.session import Place
from tests.deploy import messages
from tests.deploy.robot import Robot
from tests.devices.ros2_robot import Listener, Router, free_port, store_of

PACKAGE = Path(__file__).parents[2] / "examples" / "bindstream_msgs"
TOPICS = {
    "/rover/scene": ros.SCENE,
    "/rover/events": ros.EVENT,
    "/rover/front/embedding": ros.EMBEDDING,
    "/rover/front/dropped": ros.TOMBSTONE,
}


@pytest.fixture
def router() -> Iterator[Router]:
    with Router() as started:
        yield started


def until(what: Callable[[], object], seconds: float = 20.0) -> None:
    deadline_s = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline_s, "it did not come to be"
        time.sleep(0.05)


def out(robot: Robot, router: Router, **changes: object) -> Ros2Out:
    told = {"robot": "rover", "endpoint": robot.endpoint, "place": Place(router.address)}
    return Ros2Out(Ros2Plan(**{**told, "namespace": "/rover", **changes}))  # type: ignore[arg-type]


def test_the_package_holds_the_definitions_that_are_sent() -> None:
    """Breaks if what is built on the robot is another type than what comes: nothing would be heard
    there."""
    ours = {kind: text for kind, text in ros.OURS.items() if kind.startswith(PACKAGE.name)}
    files = {f"{PACKAGE.name}/msg/{f.stem}": f.read_text() for f in PACKAGE.glob("msg/*.msg")}
    assert {kind: text.strip() for kind, text in files.items()} == {
        kind: text.strip() for kind, text in ours.items()
    }
    listed = (PACKAGE / "CMakeLists.txt").read_text()
    assert all(f"msg/{kind.rpartition('/')[2]}.msg" in listed for kind in ours)
    store = store_of(PACKAGE)
    assert all(store.hash_rihs01(kind) == ros.type_hash(kind) for kind in ours)


def test_all_that_is_said_is_heard_in_ros(router: Router) -> None:
    """Breaks if a type, a hash, an attachment or a field is not as a ROS 2 node wants it, or
    `ros2 topic list` would not show a topic."""
    with Robot() as robot, Listener(router.address, store_of(PACKAGE)) as node:
        ros2 = out(robot, router)
        until(lambda: all(node.of(topic) for topic in TOPICS))
        assert node.topics() == TOPICS
        until(lambda: ros2.status()["topics"] == sorted(TOPICS))
        ros2.close()
        assert node.topics() == {}
    assert node.refused == []
    told, heard = messages.embedding(), node.of("/rover/front/embedding")[0]
    assert (heard.robot, heard.stream, heard.modality) == ("rover", "front", "vision")
    assert heard.end_ns - heard.start_ns == told.end_ns - told.start_ns
    assert np.array_equal(heard.vector, told.vector)
    assert heard.vector.dtype == np.float32
    assert (heard.questions, heard.answers) == (["object"], ["dog"])
    stamp = heard.header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == heard.end_ns
    assert heard.header.frame_id == "front"
    numbers = [m.seq for m in node.of("/rover/front/embedding") + node.of("/rover/front/dropped")]
    assert len(numbers) == len(set(numbers))
    scene, event = node.of("/rover/scene")[0], node.of("/rover/events")[0]
    assert [m.stream for m in scene.members] == [m.stream for m in messages.scene(0).members]
    assert json.loads(event.detail) == messages.event().detail
    assert node.of("/rover/front/dropped")[0].reason == "late"


def test_the_keys_of_humble(router: Router) -> None:
    """Breaks if a robot of ROS 2 Humble hears nothing: its keys hold no hash."""
    with Robot() as robot, Listener(router.address, store_of(PACKAGE)) as node:
        ros2 = out(robot, router, hashes=False, namespace="/")
        wanted = {topic.removeprefix("/rover") for topic in TOPICS}
        until(lambda: all(node.of(topic) for topic in wanted))
        assert set(node.topics()) == wanted
        ros2.close()


def test_the_router_goes_and_comes_back(router: Router) -> None:
    """Breaks if what is not sent meanwhile is not counted, or nothing is sent or announced
    afterwards; or if a robot must wait for a router to start."""
    router.kill()
    with Robot() as robot:
        ros2 = out(robot, router)
        until(lambda: "no zenoh router answers" in ros2.status()["why"])
        until(lambda: ros2.status()["unsent"] > 10)
        router.start()
        until(lambda: ros2.status()["said"] > 10)
        router.kill()
        until(lambda: "is gone" in ros2.status()["why"])
        unsent = ros2.status()["unsent"]
        until(lambda: ros2.status()["unsent"] > unsent + 10)
        router.start()
        with Listener(router.address, store_of(PACKAGE)) as node:
            until(lambda: all(node.of(topic) for topic in TOPICS))
            until(lambda: node.topics() == TOPICS)
        assert ros2.status()["why"] == ""
        ros2.check_health()
        start_s = time.monotonic()
        router.kill()
        ros2.close()
        assert time.monotonic() - start_s < 10.0


def test_a_router_of_its_own() -> None:
    """Breaks if a robot cannot do without rmw_zenohd."""
    address = f"tcp/127.0.0.1:{free_port()}"
    with Robot() as robot:
        ros2 = Ros2Out(Ros2Plan("rover", robot.endpoint, Place(listen=address), "/rover"))
        until(lambda: ros2.status()["said"] > 10)
        with Listener(address, store_of(PACKAGE)) as node:
            until(lambda: node.of("/rover/scene"))
        ros2.close()


def test_a_message_that_cannot_be_said_costs_itself_alone(router: Router) -> None:
    """Breaks if one odd message ends the way back."""
    odd = messages.embedding(3, "odd", n_missing=2**63 + 5)

    def script(tick: int) -> list[object]:
        return [odd if tick == 3 else messages.scene(tick)]

    with Robot(script) as robot, Listener(router.address, store_of(PACKAGE)) as node:  # type: ignore[arg-type]
        ros2 = out(robot, router)
        until(lambda: len(node.of("/rover/scene")) > 10)
        ros2.close()
    assert ros2.status()["refused"] == 1
    assert node.refused == []
