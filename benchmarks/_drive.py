"""A recording of the simulated robot, made as fast as this machine can draw it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bindstream.types import SENSED, Modality, Sample
from sensors.recording.writer import RecordingWriter
from sensors.ros2.packing import Codec
from sensors.world.drawings import keep_all
from sensors.world.driver import World
from sensors.world.script import ORIGIN_NS

STARTS_NS = ORIGIN_NS + 1_000 * 10**9
STEP_NS = 50_000_000
"""The fastest of the world's cameras shows twenty frames a second, sound and motion as often."""
FLUSH_EVERY = 20
ROBOT = "world"


def drive(seconds: float, modalities: tuple[Modality, ...] = SENSED) -> Iterator[list[Sample]]:
    """What five sensors of one robot give, in steps of ``STEP_NS``; each stream is called as its
    modality is."""
    now_ns = STARTS_NS
    drivers = [World(m, modality=m, seed=0) for m in modalities]
    for driver in drivers:
        driver.open(lambda: now_ns)
    for _ in range(round(seconds * 1e9 / STEP_NS)):
        now_ns += STEP_NS
        yield [sample for driver in drivers for sample in driver.read(0.0)]


def record(path: Path, seconds: float, modalities: tuple[Modality, ...] = SENSED) -> Path:
    """Write it: pictures as JPEG, all else exact."""
    keep_all()
    rates = {m: World(m, modality=m).rate_hz for m in modalities}
    writer = RecordingWriter(path, Codec(95), {"robot": ROBOT})
    for n, samples in enumerate(drive(seconds, modalities)):
        for sample in samples:
            modality = Modality(sample.stream)
            writer.add(ROBOT, sample, modality, rates[modality])
        if n % FLUSH_EVERY == 0:
            writer.flush()
    writer.close()
    return path
