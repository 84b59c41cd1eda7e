"""What a robot said -> messages of ROS 2: embeddings, dropped windows, scenes, events."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from bindstream.types import Embedding, Event, Health, Scene, Stamped, Tombstone
from bindstream.wire import Message
from sensors.ros2 import definitions as ros

_WINDOW = ("robot", "stream", "epoch", "seq", "start_ns", "end_ns", "published_ns")
_OF_EMBEDDING = ("captured_ns", "windowed_ns", "encoded_ns", "queue_ms", "encode_ms", "n_missing",
                 "space_id", "encoder_id")  # fmt: skip
_OF_SCENE = ("robot", "epoch", "seq", "end_ns", "published_ns", "space_id")


def said(message: Message) -> tuple[str, str, int, bytes] | None:
    """The topic's last part, the type, the robot's time and the CDR of what a robot said; None for
    what is not recorded (health, which each second repeats)."""
    match message:
        case Embedding():
            own = {name: getattr(message, name) for name in _OF_EMBEDDING}
            fields = _window(message) | own | {"vector": message.vector} | _words(message.words)
            return "embedding", ros.EMBEDDING, message.published_ns, _packed(ros.EMBEDDING, fields)
        case Tombstone():
            fields = _window(message) | {"reason": str(message.reason)}
            return "dropped", ros.TOMBSTONE, message.published_ns, _packed(ros.TOMBSTONE, fields)
        case Scene():
            return "scene", ros.SCENE, message.published_ns, _packed(ros.SCENE, _scene(message))
        case Event():
            fields = {"robot": message.robot, "name": message.name}
            fields["header"] = ros.header(message.t_ns, message.robot)
            fields["detail"] = json.dumps(message.detail, default=str)
            return "events", ros.EVENT, message.t_ns, _packed(ros.EVENT, fields)
        case Health():
            return None


def _window(message: Embedding | Tombstone) -> dict[str, Any]:
    assert isinstance(message, Stamped)  # noqa: S101 - for the fields by name
    fields: dict[str, Any] = {name: getattr(message, name) for name in _WINDOW}
    fields["modality"] = str(message.modality)
    return fields | {"header": ros.header(message.end_ns, message.stream)}


def _scene(scene: Scene) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(scene, name) for name in _OF_SCENE}
    fields["header"] = ros.header(scene.end_ns, scene.robot)
    fields["vector"] = scene.vector
    fields["members"] = [
        ros.made(
            ros.MEMBER,
            stream=member.stream,
            modality=str(member.modality),
            seq=member.seq,
            weight=float(member.weight),
            age_ms=math.nan if member.age_ms is None else float(member.age_ms),
        )
        for member in scene.members
    ]
    return fields | _words(scene.words)


def _words(words: dict[str, str]) -> dict[str, list[str]]:
    return {"questions": list(words), "answers": list(words.values())}


def _packed(kind: str, fields: dict[str, Any]) -> bytes:
    if "vector" in fields:
        fields["vector"] = np.ascontiguousarray(fields["vector"], np.float32)
    return ros.packed(kind, ros.made(kind, **fields))
