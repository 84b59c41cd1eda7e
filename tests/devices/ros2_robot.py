"""A ROS 2 robot that speaks rmw_zenoh, as far as its router shows it: no ROS is needed.

Keys, tokens and attachments are written out here by rmw_zenoh's own documents, not by our code;
message bytes are made by rosbags.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import zenoh
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(get_types_from_msg("uint8[] data", "audio_common_msgs/msg/AudioData"))
STORE.register(
    get_types_from_msg(
        "std_msgs/Header header\naudio_common_msgs/AudioData audio",
        "audio_common_msgs/msg/AudioDataStamped",
    )
)
GID = bytes(range(16))


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def session(mode: str, connect: Iterable[str] = (), listen: Iterable[str] = ()) -> zenoh.Session:
    """Of zenoh, that looks for nobody but whom it is told."""
    config = zenoh.Config()
    config.insert_json5("mode", json.dumps(mode))
    config.insert_json5("connect/endpoints", json.dumps(list(connect)))
    config.insert_json5("listen/endpoints", json.dumps(list(listen)))
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("transport/shared_memory/enabled", "false")  # rmw_zenoh's default
    return zenoh.open(config)


class Router:
    """As rmw_zenohd: knows everybody's tokens, hands on what passes to clients."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.address = f"tcp/127.0.0.1:{self.port}"
        self._session: zenoh.Session | None = None
        self.start()

    def start(self) -> None:
        self._session = session("router", listen=[self.address])

    def kill(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> Router:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Publisher:
    """One publisher of a node ``talker``, as a peer that knows the router, as rmw_zenoh's are.

    ``type_hash``: another than the type's; ``quiet``: it announces nothing.
    """

    def __init__(
        self,
        router: str,
        topic: str,
        kind: str,
        *,
        domain_id: int = 0,
        type_hash: str | None = None,
        quiet: bool = False,
    ) -> None:
        self.kind = kind
        self._session = session("client", connect=[router])
        package, folder, name = kind.split("/")
        dds = f"{package}::{folder}::dds_::{name}_"
        type_hash = type_hash or STORE.hash_rihs01(kind)
        self.key = f"{domain_id}{topic}/{dds}/{type_hash}"
        self._publisher = self._session.declare_publisher(self.key)
        flat = topic.replace("/", "%")
        place = f"@ros2_lv/{domain_id}/{self._session.zid()}/0/10/MP/%/%/talker"
        self.token = f"{place}/{flat}/{dds}/{type_hash}/::,10:,:,:,,"
        self._token = None if quiet else self._session.liveliness().declare_token(self.token)
        self._number = 0

    def put(self, message: Any) -> None:
        self.put_bytes(bytes(STORE.serialize_cdr(message, self.kind)))

    def put_bytes(self, data: bytes) -> None:
        self._number += 1
        told = struct.pack("<qqB16s", self._number, time.time_ns(), 16, GID)
        self._publisher.put(data, attachment=told)

    def skip(self, n: int) -> None:
        """Messages that were numbered and go lost."""
        self._number += n

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def header(t_ns: int) -> Any:
    time_of, header_of = (
        STORE.types[name] for name in ("builtin_interfaces/msg/Time", "std_msgs/msg/Header")
    )
    return header_of(stamp=time_of(sec=t_ns // 10**9, nanosec=t_ns % 10**9), frame_id="r2")


def imu(t_ns: int, ax: float = 0.0, gx: float = 0.0, **covariances: Any) -> Any:
    """Level, at rest but for what is told."""
    vector = STORE.types["geometry_msgs/msg/Vector3"]
    turn = STORE.types["geometry_msgs/msg/Quaternion"]
    names = ("orientation", "angular_velocity", "linear_acceleration")
    unknown = {f"{name}_covariance": np.zeros(9) for name in names}
    return STORE.types["sensor_msgs/msg/Imu"](
        header=header(t_ns),
        orientation=turn(x=0.0, y=0.0, z=0.0, w=1.0),
        angular_velocity=vector(x=gx, y=0.0, z=0.0),
        linear_acceleration=vector(x=ax, y=0.0, z=9.81),
        **unknown | covariances,
    )


def image(t_ns: int, pixels: np.ndarray, encoding: str = "rgb8") -> Any:
    """(H, W, 3) or (H, W)."""
    return STORE.types["sensor_msgs/msg/Image"](
        header=header(t_ns),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=pixels.view(np.uint8).ravel(),
    )


def compressed(t_ns: int, data: bytes, form: str = "jpeg") -> Any:
    """A picture as a file."""
    return STORE.types["sensor_msgs/msg/CompressedImage"](
        header=header(t_ns), format=form, data=np.frombuffer(data, np.uint8)
    )


def audio(data: bytes, t_ns: int | None = None) -> Any:
    """AudioData; stamped where a time is told."""
    plain = STORE.types["audio_common_msgs/msg/AudioData"](data=np.frombuffer(data, np.uint8))
    if t_ns is None:
        return plain
    return STORE.types["audio_common_msgs/msg/AudioDataStamped"](header=header(t_ns), audio=plain)


class Talker:
    """Publishes ``make(n)`` at a rate, from a thread, while the context lasts.

    ``paused`` set: it says nothing, but still counts time.
    """

    def __init__(
        self, publisher: Publisher, rate_hz: float, make: Callable[[int], Any], says: bool = True
    ) -> None:
        self.sent = 0
        self.paused = threading.Event()
        if not says:
            self.paused.set()
        self._publisher, self._rate_hz, self._make = publisher, rate_hz, make
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        start_s, n = time.monotonic(), 0
        while not self._stop.is_set():
            if not self.paused.is_set():
                self._publisher.put(self._make(n))
                self.sent += 1
            n += 1
            self._stop.wait(max(0.0, start_s + n / self._rate_hz - time.monotonic()))

    def __enter__(self) -> Talker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class Listener:
    """A subscription of a ROS 2 node: takes what rmw_zenoh would take, decoded by ``store``.

    ``heard``: (topic, type, message); ``refused``: why rmw_zenoh would not have taken one.
    """

    def __init__(self, router: str, store: Any, domain_id: int = 0) -> None:
        self.heard: list[tuple[str, str, Any]] = []
        self.refused: list[str] = []
        self._store = store
        self._last: dict[tuple[str, bytes], int] = {}
        self._session = session("client", connect=[router])
        self._subscriber = self._session.declare_subscriber(f"{domain_id}/**", self._take)

    def _take(self, sample: zenoh.Sample) -> None:
        _, *topic, dds, type_hash = str(sample.key_expr).split("/")
        kind = dds.replace("::dds_", "").replace("::", "/").removesuffix("_")
        name = "/" + "/".join(topic)
        if type_hash not in (self._store.hash_rihs01(kind), "TypeHashNotSupported"):
            self.refused.append(f"{name}: {type_hash}")
        elif sample.attachment is None or len(sample.attachment.to_bytes()) != 33:
            self.refused.append(f"{name}: no attachment")
        else:
            number, _, length, sender = struct.unpack("<qqB16s", sample.attachment.to_bytes())
            if length != 16 or number <= self._last.get((name, sender), 0):
                self.refused.append(f"{name}: number {number}")
            self._last[name, sender] = number
            data = sample.payload.to_bytes()
            self.heard.append((name, kind, self._store.deserialize_cdr(data, kind)))

    def of(self, topic: str) -> list[Any]:
        return [message for name, _, message in list(self.heard) if name == topic]

    def topics(self) -> dict[str, str]:
        """As ``ros2 topic list -t`` makes it of the tokens: names and types."""
        replies = self._session.liveliness().get("@ros2_lv/0/**", timeout=2.0)
        found = [str(reply.ok.key_expr).split("/") for reply in replies if reply.ok is not None]
        return {
            parts[9].replace("%", "/"): parts[10].replace("::dds_", "").replace("::", "/")[:-1]
            for parts in found
            if parts[5] == "MP" and len(parts) == 13
        }

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def store_of(package: Path) -> Any:
    """rosbags with the definitions of a ROS package beside ROS's own, as colcon would build it."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for file in sorted((package / "msg").glob("*.msg")):
        types |= get_types_from_msg(file.read_text(), f"{package.name}/msg/{file.stem}")
    store.register(types)
    return store
