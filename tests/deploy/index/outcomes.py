"""Windows, holes and answers for the tests of an index: small, made up, the same every time."""

from __future__ import annotations

import numpy as np

from bindstream.types import Embedding, Modality, Reason, Stamped, Tombstone, Window
from deploy.index.bundle import Answer, Bundle, End
from pipeline.windows.hole import Hole, Outcome

DIM = 4


def stamp(seq: int) -> Stamped:
    times = {"start_ns": seq * 10**9, "end_ns": (seq + 2) * 10**9}
    return Stamped(robot="r2", stream="ears", modality=Modality.AUDIO, epoch=0, seq=seq, **times)


def outcomes(count: int, holes: frozenset[int] = frozenset(), size: int = 8) -> list[Outcome]:
    return [
        Hole(**stamp(n).stamp())
        if n in holes
        else Window(**stamp(n).stamp(), data=np.full(size, n, np.float32))
        for n in range(count)
    ]


def embedding(seq: int, dim: int = DIM) -> Embedding:
    vector = np.random.default_rng(seq).normal(size=dim).astype(np.float32)
    times = dict.fromkeys(("captured_ns", "windowed_ns", "encoded_ns"), 0)
    spaces = {"space_id": "tiny:0", "encoder_id": "a/1/float32"}
    return Embedding(
        **stamp(seq).stamp(), **times, **spaces, queue_ms=0, encode_ms=1, n_missing=0, vector=vector
    )


def tombstone(seq: int, reason: Reason = Reason.SENSOR_GAP) -> Tombstone:
    return Tombstone(**stamp(seq).stamp(), reason=reason)


def answered(bundle: Bundle) -> Answer:
    """What an encoder without fault answers."""
    vectors = tuple(embedding(window.seq) for window in bundle.windows)
    return Answer(bundle.stream, vectors, bundle.dropped, bundle.end, "w", 0.0, 1.0, 0.5)


def answer(seqs: list[int], end: End | None = None) -> Answer:
    return Answer(0, tuple(map(embedding, seqs)), (), end, "w", 0.0, 1.0, 0.5)
