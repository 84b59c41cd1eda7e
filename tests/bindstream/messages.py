"""One message of each kind, every field different from its default."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import asdict, replace

from bindstream.types import (
    Embedding,
    Event,
    Health,
    Member,
    Modality,
    Reason,
    Scene,
    Tombstone,
)
from bindstream.wire import Message

T0 = 1_700_000_000_000_000_000

EMBEDDING = Embedding(
    robot="demo",
    stream="front",
    modality=Modality.VISION,
    epoch=3,
    seq=41,
    start_ns=T0,
    end_ns=T0 + 2_000_000_000,
    captured_ns=T0 + 2_010_000_000,
    windowed_ns=T0 + 2_011_000_000,
    encoded_ns=T0 + 2_040_000_000,
    published_ns=T0 + 2_041_000_000,
    queue_ms=1.5,
    encode_ms=25.25,
    n_missing=1,
    space_id="toy:0123456789ab",
    encoder_id="0123456789ab/1/float32",
    vector=np.array([0.5, -0.5, 0.5, 0.5], np.float32),
    words={"what": "dog"},
)
TOMBSTONE = Tombstone(
    robot="demo",
    stream="front",
    modality=Modality.VISION,
    epoch=3,
    seq=42,
    start_ns=T0,
    end_ns=T0 + 5,
    reason=Reason.SUPERSEDED,
    published_ns=T0 + 9,
)
SCENE = Scene(
    robot="demo",
    epoch=2,
    seq=7,
    end_ns=T0 + 500_000_000,
    published_ns=T0 + 600_000_000,
    space_id="toy:0123456789ab",
    members=(
        Member("front", Modality.VISION, 41, 0.75, 12.5),
        Member("mic", Modality.AUDIO, -1, 0.0, None),
    ),
    vector=np.array([1.0, 0.0, 0.0, 0.0], np.float32),
    words={"what": "dog"},
)
EVENT = Event("demo", "clock_step", T0, {"step_ms": -250.5, "streams": ["front", "mic"]})
HEALTH = Health("demo", "front", "opening", T0, {"why": "no such device", "ledger": {"open": 1}})

MESSAGES: dict[str, Message] = {
    "embedding": EMBEDDING,
    "tombstone": TOMBSTONE,
    "scene": SCENE,
    "event": EVENT,
    "health": HEALTH,
}


def embedding(seq: int, **other: Any) -> Embedding:
    """The embedding with another seq, and whatever else is given."""
    return replace(EMBEDDING, seq=seq, **other)


def tombstone(seq: int, **other: Any) -> Tombstone:
    """The tombstone with another seq."""
    return replace(TOMBSTONE, seq=seq, **other)


def scene(seq: int, **changes: Any) -> Scene:
    """The scene with another seq."""
    return replace(SCENE, seq=seq, **changes)


def as_plain(message: Message) -> dict[str, Any]:
    """All fields of a message, vectors as lists, so that messages can be compared."""
    plain = asdict(message)
    if "vector" in plain:
        plain["vector"] = plain["vector"].tolist()
    return plain | {"kind": type(message).__name__}
