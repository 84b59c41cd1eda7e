"""What a stream says of its windows, as the tests of the line and the publisher need it."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import asdict

from bindstream.types import Embedding, Modality, Reason, Stamped, Tombstone
from pipeline.messages import Opened, Upward


def of(modality: Modality, seq: int = 0) -> Stamped:
    """Whose windows a windower cuts."""
    return Stamped(**opened(1, seq, 0, 0, "s", modality).stamp())


def opened(
    epoch: int,
    seq: int,
    start_ns: int = 0,
    end_ns: int = 1,
    stream: str = "front",
    modality: Modality = Modality.VISION,
) -> Opened:
    return Opened(
        robot="rover",
        stream=stream,
        modality=modality,
        epoch=epoch,
        seq=seq,
        start_ns=start_ns,
        end_ns=end_ns,
    )


def dropped(window: Opened, reason: Reason = Reason.SUPERSEDED) -> Tombstone:
    return Tombstone(**window.stamp(), reason=reason)


def encoded(window: Opened, **changes: Any) -> Embedding:
    fields: dict[str, Any] = {
        "n_missing": 0,
        "captured_ns": window.end_ns,
        "windowed_ns": window.end_ns,
        "encoded_ns": window.end_ns,
        "queue_ms": 0.5,
        "encode_ms": 3.0,
        "space_id": "toy:000000000000",
        "encoder_id": "toy",
        "vector": np.full(16, 0.25, np.float32),
    }
    return Embedding(**window.stamp(), **(fields | changes))


def plain(message: Upward) -> dict[str, Any]:
    """All fields, so that messages can be compared: vectors as lists."""
    vector = {"vector": message.vector.tolist()} if isinstance(message, Embedding) else {}
    return {"kind": type(message).__name__, **asdict(message), **vector}
