"""Recordings for tests: samples of all five modalities, made up, the same every time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bindstream.types import SENSED, Array, DepthMeta, Modality, Sample
from sensors.recording.writer import RecordingWriter
from sensors.ros2.packing import Codec

LOSSLESS = Codec(None)
STARTS_NS = 1_700_000_000 * 10**9
RATES_HZ = {
    Modality.VISION: 20.0,
    Modality.AUDIO: 16_000.0,
    Modality.DEPTH: 10.0,
    Modality.THERMAL: 9.0,
    Modality.IMU: 100.0,
}
CHUNK = 640
LATENCY_NS = 7_000_000
CAMERA = DepthMeta(300.123, 0.0499)


def samples_of(
    modality: Modality, starts_ns: int = STARTS_NS, seconds: float = 3.0, stream: str | None = None
) -> list[Sample]:
    """Of one sensor; the stream is called as its modality is, unless told."""
    per_sample = CHUNK if modality is Modality.AUDIO else 1
    period_ns = round(per_sample * 1e9 / RATES_HZ[modality])
    meta = CAMERA if modality is Modality.DEPTH else None
    found = []
    for n in range(round(seconds * 1e9 / period_ns)):
        t_ns = starts_ns + n * period_ns
        sample = Sample(stream or modality, t_ns, data_of(modality, n), t_ns + LATENCY_NS, meta)
        found.append(sample)
    return found


def data_of(modality: Modality, n: int) -> Array:
    """What such a sensor gives: depth in whole millimetres, heat that no count can say."""
    draw = np.random.default_rng(n)
    match modality:
        case Modality.VISION:
            return draw.integers(0, 256, (24, 32, 3)).astype(np.uint8)
        case Modality.AUDIO:
            return draw.uniform(-0.5, 0.5, CHUNK).astype(np.float32)
        case Modality.IMU:
            felt = draw.uniform(-1, 1, 6).astype(np.float32)
            felt[2] += np.float32(9.81)
            return felt
        case Modality.THERMAL:
            return draw.uniform(290, 310, (12, 16)).astype(np.float32)
        case _:
            return draw.integers(500, 4000, (12, 16)).astype(np.float32) * np.float32(0.001)


def drive(seconds: float = 3.0, starts_ns: int = STARTS_NS) -> list[Sample]:
    """All five, in the order of their arrival."""
    every = [s for m in SENSED for s in samples_of(m, starts_ns, seconds)]
    return sorted(every, key=lambda s: (s.arrival_ns, s.stream))


def modality_of(sample: Sample) -> Modality:
    """Of a sample's data, which tells it here."""
    if sample.meta is not None:
        return Modality.DEPTH
    if sample.data.ndim == 3:
        return Modality.VISION
    if sample.data.ndim == 2:
        return Modality.THERMAL
    return Modality.IMU if sample.data.size == 6 else Modality.AUDIO


def write(
    path: Path, samples: Iterable[Sample], codec: Codec = LOSSLESS, robot: str = "r2"
) -> Path:
    """A whole recording, flushed every half second of its time."""
    writer, flushed_ns = RecordingWriter(path, codec, {"robot": robot}), 0
    for sample in samples:
        modality = modality_of(sample)
        writer.add(robot, sample, modality, RATES_HZ[modality])
        if sample.arrival_ns - flushed_ns > 500_000_000:
            writer.flush()
            flushed_ns = sample.arrival_ns
    writer.close()
    return path
