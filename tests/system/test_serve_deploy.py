"""``ray start --head`` and ``serve deploy ray_config.yaml``, as the README tells users to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from bindstream import Embedding, Event, Health, Subscriber
from tests.deploy.configs import document
from tests.devices.mjpeg_server import MjpegServer
from tests.system.cluster import Cluster
from tests.system.robot import free_port
from tests.system.test_overload import stream

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def file(port: int, http_port: int, camera_url: str, hop_s: float) -> dict[str, Any]:
    front = {
        "name": "front",
        "modality": "vision",
        "driver": "camera",
        "options": {"source": camera_url},
    }
    return {
        "proxy_location": "HeadOnly",
        **document(
            front,
            stream("ears", "audio", hop_s=hop_s),
            stream("depth", "depth", hop_s=0.5),
            port=http_port,
            publish={"endpoint": f"tcp://127.0.0.1:{port}"},
        ),
    }


class Reader:
    """Reads everything the robot says, until a condition holds."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.seen: list[Any] = []

    def until(self, what: str, condition: Any, timeout_s: float = 240) -> Any:
        until_s = time.monotonic() + timeout_s
        with Subscriber(self.endpoint, topics=[""], tombstones=True) as reader:
            while time.monotonic() < until_s:
                message = reader.receive(0.2)
                if message is None:
                    continue
                self.seen.append(message)
                if condition(message):
                    return message
        raise AssertionError(f"no {what} in {timeout_s} s; last: {self.seen[-3:]}")


def test_the_life_of_a_deployment(cluster: Cluster, tmp_path: Path) -> None:
    """Fails when an absent camera stops the robot, or a redeploy or shutdown leaves anything."""
    port, http_port = free_port(), free_port()
    reader = Reader(f"tcp://127.0.0.1:{port}")
    camera = MjpegServer()
    with camera:
        url = camera.url
        camera_port = int(url.split(":")[2].split("/")[0])
    config = tmp_path / "ray_config.yaml"
    config.write_text(yaml.safe_dump(file(port, http_port, url, hop_s=1.0)))

    said = cluster.serve("deploy", str(config))
    assert said.returncode == 0, said.stderr
    cluster.until_running()
    deployments = [d for a in cluster.applications().values() for d in a["deployments"].values()]
    assert {d["status"] for d in deployments} == {"HEALTHY"}

    # an absent camera: its stream waits and says why, the others deliver
    reader.until("audio", lambda m: isinstance(m, Embedding) and m.stream == "ears")
    waiting = reader.until("health", lambda m: isinstance(m, Health) and m.stream == "front")
    assert waiting.state == "opening"
    assert str(camera_port) in waiting.detail["why"]

    # the camera comes, goes and comes back
    with MjpegServer(port=camera_port) as camera:
        reader.until("vision", lambda m: isinstance(m, Embedding) and m.stream == "front")
        camera.hang_up()
        reader.until("loss", lambda m: isinstance(m, Event) and m.name == "stream_lost")
        reader.until("vision again", lambda m: isinstance(m, Embedding) and m.stream == "front")
        first = cluster.replicas()

        # a sensor's process is killed: a new epoch within seconds, the others never notice
        before = next(m for m in reversed(reader.seen) if isinstance(m, Embedding))
        first["stream-depth"].kill()
        reborn = reader.until(
            "depth in a new epoch",
            lambda m: isinstance(m, Embedding) and m.stream == "depth" and m.epoch > before.epoch,
            240,
        )
        assert reborn.seq == 0

        # redeployed with one stream changed: that one's process is another, the old one is gone
        first = cluster.replicas()
        config.write_text(yaml.safe_dump(file(port, http_port, url, hop_s=0.5)))
        assert cluster.serve("deploy", str(config)).returncode == 0
        reader.until(
            "audio twice a second",
            lambda m: isinstance(m, Embedding) and m.stream == "ears" and m.end_ns % 10**9 != 0,
            240,
        )
        cluster.until_running()
        _, alive = psutil.wait_procs([first.pop("stream-ears")], timeout=60)
        assert not alive, f"outlived a redeploy: {alive}"
        second = cluster.replicas()
        assert {name: second[name].pid for name in first} == {n: p.pid for n, p in first.items()}

        # shut down: no replica, no open device, no listener of ours
        assert cluster.serve("shutdown", "-y").returncode == 0
        _, alive = psutil.wait_procs(list(second.values()), timeout=60)
        assert not alive, f"outlived serve shutdown: {alive}"
        assert cluster.replicas() == {}
        wait_until(lambda: camera.clients == 0, "the camera's connection to be closed")
    listening = {c.laddr.port for c in psutil.net_connections("tcp") if c.status == "LISTEN"}
    assert port not in listening
    assert http_port not in listening


def wait_until(condition: Any, what: str, timeout_s: float = 120) -> None:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited {timeout_s} s for {what}")
