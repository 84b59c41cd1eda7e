"""Why nothing came, asked of real sockets."""

from __future__ import annotations

import http.server
import socket
import threading

import pytest
import zmq

from bindstream.command import reach
from tests.deploy.robot import Robot


def test_nobody_there() -> None:
    """Breaks if a robot that is not started looks like one that is silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said = reach.why_nothing(f"tcp://127.0.0.1:{port}", ["embedding/"])
    assert said == "nobody listens there. Start a robot: bindstream run"


def test_nobody_at_a_socket_file(tmp_path) -> None:
    """Breaks if an ipc endpoint without a robot cannot be told."""
    said = reach.why_nothing(f"ipc://{tmp_path}/none.sock", ["embedding/"])
    assert said == "nobody listens there. Start a robot: bindstream run"


def test_an_unknown_machine() -> None:
    """Breaks if a mistyped host waits for ever: ZeroMQ looks names up later, and in silence."""
    said = reach.why_nothing("tcp://no-such-robot.invalid:5570", ["embedding/"])
    assert said == "no machine is known as 'no-such-robot.invalid'"


def test_the_http_port_is_no_publisher() -> None:
    """Breaks if the other port of the robot looks like a robot without streams."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = reach.why_nothing(f"tcp://127.0.0.1:{server.server_port}", ["embedding/"])
        server.shutdown()
    assert "no publisher of ours" in said


def test_a_socket_that_never_answers_is_no_publisher() -> None:
    """Breaks if a hung program that holds the port looks like an absent one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert "no publisher of ours" in reach.why_nothing(endpoint, ["embedding/"])


def test_a_silent_publisher() -> None:
    """Breaks if a publisher that says nothing is taken for nobody."""
    with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        said = reach.why_nothing(f"tcp://127.0.0.1:{port}", ["embedding/"])
    assert said.startswith("a publisher is there and sends nothing")


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("embeding/", "did you mean 'embedding/'"),
        ("embedding/rover/frnt/", "'embedding/rover/front/'"),
    ],
)
def test_a_robot_that_sends_no_such_topic(asked: str, near: str) -> None:
    """Breaks if a mistyped topic or stream is not told apart from an absent robot."""
    with Robot() as robot:
        said = reach.why_nothing(robot.endpoint, [asked])
    assert said.startswith(f"a robot publishes there, but nothing on '{asked}'")
    assert near in said
    assert "health/rover/front/" in said
