"""One message of each kind, as the tests of the command line need them."""

from __future__ import annotations

from typing import Any

import numpy as np

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

T_NS = 1_800_000_000_500_000_000


def unit_vector(dim: int = 4) -> Any:
    return np.full(dim, dim**-0.5, np.float32)


def embedding(seq: int = 0, stream: str = "front", **changes: Any) -> Embedding:
    fields: dict[str, Any] = {
        "robot": "rover",
        "stream": stream,
        "modality": Modality.VISION,
        "epoch": 3,
        "seq": seq,
        "start_ns": T_NS + seq * 500_000_000,
        "end_ns": T_NS + (seq + 1) * 500_000_000,
        "captured_ns": T_NS,
        "windowed_ns": T_NS,
        "encoded_ns": T_NS,
        "published_ns": T_NS,
        "queue_ms": 1.5,
        "encode_ms": 30.0,
        "n_missing": 0,
        "space_id": "tiny:0123456789ab",
        "encoder_id": "abc/1/float32",
        "vector": unit_vector(),
        "words": {"object": "dog"},
    }
    return Embedding(**(fields | changes))


def tombstone(seq: int = 1, reason: Reason = Reason.SUPERSEDED) -> Tombstone:
    return Tombstone(
        robot="rover",
        stream="front",
        modality=Modality.VISION,
        epoch=3,
        seq=seq,
        start_ns=T_NS,
        end_ns=T_NS + 500_000_000,
        reason=reason,
    )


def scene(seq: int = 0) -> Scene:
    members = (
        Member("front", Modality.VISION, 7, 1.0, 120.0),
        Member("mic", Modality.AUDIO, -1, 0.0, None),
    )
    words = {"motion": "moving forward"}
    return Scene("rover", 1, seq, T_NS, T_NS, "tiny:0123456789ab", members, unit_vector(), words)


def event() -> Event:
    return Event("rover", "stream_reopened", T_NS, {"stream": "mic"})


def health(stream: str = "front", state: str = "running", **detail: Any) -> Health:
    known: dict[str, Any] = {
        "modality": "vision",
        "rate_hz": 30.0,
        "wanted_rate_hz": 30.0,
        "published_hz": 2.0,
        "ledger": {"captured": 10, "published": 7, "open": 1, "dropped": {"superseded": 2}},
        "age_ms": {"p50": 120.0, "p99": 310.0},
        "stages_ms": {
            "capture": 11.0,
            "window": 0.4,
            "hop": 1.7,
            "queue": 2.0,
            "encode": 33.0,
            "publish": 0.6,
        },
        "words": {"object": "dog"},
        "why": "",
        "late": 0,
        "duplicate": 0,
        "epoch": 3,
    }
    return Health("rover", stream, state, T_NS, known | detail)
