"""The way back to ROS 2 in a configuration: refused, warned of, or told to the graph."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from bindstream.errors import ConfigError
from deploy import app
from deploy.config.plans import ros2_plan
from deploy.config.preflight import preflight
from sensors.ros2.session import Place
from tests.deploy.configs import IMU, free_port, made
from tests.devices.ros2_robot import Router


def publish(**ros2: Any) -> dict[str, Any]:
    return {"endpoint": f"tcp://127.0.0.1:{free_port()}", "ros2": ros2}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"routr": "x"}, "unknown key 'publish.ros2.routr'; did you mean 'router'?"),
        ({"router": "localhost"}, "publish.ros2.router: 'localhost' is not zenoh's address"),
        ({"listen": "7447"}, "publish.ros2.listen: '7447' is not zenoh's address"),
        ({"domain_id": 233}, "publish.ros2.domain_id"),
        ({"domain_id": True}, "publish.ros2.domain_id: wants a number, got true"),
        ({"namespace": "a b"}, "publish.ros2.namespace: 'a b' is no namespace of ROS 2"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, told: dict[str, Any], said: str) -> None:
    """Breaks if a mistake in it is found only when nothing is heard in ROS."""
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, publish=publish(**told))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_endpoint_without_a_port_is_refused(tmp_path: Path) -> None:
    """Breaks if the way back could not know where to read."""
    with pytest.raises(ConfigError, match=r"publish\.ros2: reads what is published"):
        made(tmp_path, publish={"endpoint": "tcp://127.0.0.1:*", "ros2": {}})


def test_what_the_graph_is_told(tmp_path: Path) -> None:
    """Breaks if a default is not ROS's, or a robot without it starts a process for it."""
    (robot,) = made(tmp_path, IMU | {"robot": "r-2"}, publish=publish(), name="r-2").robots
    plan = ros2_plan(robot.args)
    assert plan is not None
    assert (plan.place, plan.namespace, plan.hashes) == (Place("tcp/127.0.0.1:7447"), "/r_2", True)
    assert plan.endpoint == robot.args.publish.endpoint
    ingress = app.robot(robot.args)._bound_deployment
    assert ingress.init_args[2]._bound_deployment.name == "ros2"
    (plain,) = made(tmp_path).robots
    assert app.robot(plain.args)._bound_deployment.init_args[2] is None


def test_check_says_whether_a_router_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Breaks if a router that is not running is told only by ROS's silence, or keeps a robot from
    starting."""
    with Router() as router:
        config = made(tmp_path, publish=publish(router=router.address))
        with caplog.at_level(logging.WARNING):
            preflight(config)
            assert "publish.ros2" not in caplog.text
            router.kill()
            preflight(config)
    assert "robot 'robot': publish.ros2: no zenoh router answers at tcp/127.0.0.1" in caplog.text
