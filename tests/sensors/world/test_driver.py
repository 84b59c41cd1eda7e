"""The world driver against the contract of drivers, in real time; and its faults."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bindstream.errors import ConfigError, DeviceLost
from bindstream.types import DepthMeta, Modality, Sample
from sensors import load
from sensors.world import script as world_script
from sensors.world.driver import RATES_HZ, READOUT_S, World
from sensors.world.questions import questions
from sensors.world.state import FACTORS
from tests.patience import Stalls

SHAPES = {
    Modality.VISION: ((224, 224, 3), np.uint8),
    Modality.AUDIO: ((800,), np.float32),
    Modality.DEPTH: ((112, 112), np.float32),
    Modality.THERMAL: ((112, 112), np.float32),
    Modality.IMU: ((6,), np.float32),
}


class Clock:
    """A host's clock that stands until it is moved, from a world second."""

    def __init__(self, world_s: float) -> None:
        self.t_ns = world_script.ORIGIN_NS + round(world_s * 1e9)

    def __call__(self) -> int:
        return self.t_ns

    def run(self, driver: World, seconds: float, step_s: float = 0.05) -> list[Sample]:
        """Let time pass in steps; what the driver reads meanwhile."""
        samples = []
        for _ in range(round(seconds / step_s)):
            self.t_ns += round(step_s * 1e9)
            samples += driver.read(0.0)
        return samples


def opened(modality: str, world_s: float = 1000.0, **options: object) -> tuple[World, Clock]:
    """A driver, and a clock at which the reading of ``world_s`` is just being delivered."""
    driver = World("s", modality=modality, **options)
    clock = Clock(world_s + READOUT_S[driver.modality])
    driver.open(clock)
    return driver, clock


def world_s(sample: Sample) -> float:
    return (sample.t_ns - world_script.ORIGIN_NS) / 1e9


@pytest.mark.parametrize("modality", RATES_HZ)
def test_in_real_time_the_rate_and_the_stamps_are_right(modality: Modality) -> None:
    """Breaks if a stream runs at another rate, stamps the future, or comes late."""
    driver = load("world")("s", modality=modality)
    driver.open(time.time_ns)
    begin = time.monotonic()
    samples: list[Sample] = []
    with Stalls() as stalls:
        while time.monotonic() - begin < 1.5:
            samples += driver.read(0.5)
        took_s = time.monotonic() - begin
    driver.close()
    driver.close()
    shape, dtype = SHAPES[modality]
    assert all((s.data.shape, s.data.dtype) == (shape, dtype) for s in samples)
    each = 800 if modality is Modality.AUDIO else 1
    passed_over = sum(driver.counters.values())
    assert len(samples) * each + passed_over == pytest.approx(took_s * driver.rate_hz, rel=0.2)
    stamps = np.array([s.t_ns for s in samples])
    steps = np.diff(stamps) * driver.rate_hz / each / 1e9
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)  # on the grid of the rate
    assert (steps > 0.5).all()
    assert np.median(steps) == pytest.approx(1.0, abs=1e-3)
    assert all(s.t_ns <= s.arrival_ns for s in samples)
    assert np.median([s.arrival_ns - s.t_ns for s in samples]) < 0.2e9 + 1e9 * stalls.worst_s()
    assert all(isinstance(s.meta, DepthMeta) == (modality is Modality.DEPTH) for s in samples)


@pytest.mark.parametrize("modality", RATES_HZ)
def test_drivers_started_apart_agree(modality: Modality) -> None:
    """Breaks if what a sensor sees depends on when it was opened or how often it is read."""
    one, first = opened(modality, 1000.0, seed=5)
    other, second = opened(modality, 1000.33, seed=5)
    seen = {s.t_ns: s.data for s in first.run(one, 1.0)}
    again = {s.t_ns: s.data for s in second.run(other, 0.6, step_s=0.1)}
    common = seen.keys() & again.keys()
    assert len(common) >= 4
    assert all(np.array_equal(seen[t], again[t]) for t in common)
    stranger, third = opened(modality, 1000.0, seed=6)
    assert any(not np.array_equal(seen[s.t_ns], s.data) for s in third.run(stranger, 1.0))


def test_audio_and_imu_lose_nothing_when_read_late_but_cameras_show_the_newest() -> None:
    """Breaks if a slow reader makes holes in sound, is fed old frames, or is not told."""
    for modality, count in (("audio", 60), ("imu", 1200)):
        driver, clock = opened(modality)
        samples = clock.run(driver, 3.0, step_s=3.0)
        assert len(samples) == count
        assert driver.counters == {"lost": 0}
    assert len(clock.run(driver, 12.0, step_s=12.0)) == 10 * 400
    assert driver.counters == {"lost": 2 * 400}
    driver, clock = opened("vision")
    (frame,) = clock.run(driver, 3.0, step_s=3.0)
    assert world_s(frame) == pytest.approx(1003.0)
    assert driver.counters == {"skipped": 60}


def test_before_open_and_after_close_reading_is_an_error() -> None:
    """Breaks if a closed driver goes on giving data."""
    driver, _ = opened("imu")
    driver.close()
    with pytest.raises(DeviceLost, match="not open"):
        driver.read(0.0)


def test_a_gap_has_no_samples_and_nothing_else_is_missing() -> None:
    """Breaks if a gap is filled later, or is longer than told."""
    fault = {"gap": {"every_s": 10, "for_s": 2, "at_s": 5}}
    driver, clock = opened("imu", faults=fault)
    stamps = np.array([world_s(s) for s in clock.run(driver, 10.0)])
    assert not ((stamps >= 1005.0) & (stamps < 1007.0)).any()
    assert len(stamps) == 8 * 400


def test_a_stall_delivers_all_at_once_afterwards() -> None:
    """Breaks if a stall loses data, stamps them late, or delivers while it lasts."""
    driver, clock = opened("imu", faults={"stall": {"every_s": 100, "for_s": 2, "at_s": 5}})
    begin = clock.t_ns
    samples = clock.run(driver, 8.0)
    stamps = np.array([s.t_ns for s in samples])
    assert len(stamps) == 8 * 400
    assert (np.diff(stamps) > 0).all()
    arrivals = np.array([s.arrival_ns - begin for s in samples]) / 1e9
    assert not ((arrivals >= 5.0) & (arrivals < 6.99)).any()
    assert (arrivals - (stamps - begin) / 1e9).max() == pytest.approx(2.0, abs=0.2)


def test_jitter_and_clock_step_move_stamps_alone() -> None:
    """Breaks if a fault of the clock changes the data, or is not what was asked for."""
    clean, clock = opened("imu")
    plain = clock.run(clean, 2.0)
    driver, clock = opened("imu", faults={"jitter": {"ms": 2}})
    jittered = clock.run(driver, 2.0)
    off = np.array([a.t_ns - b.t_ns for a, b in zip(jittered, plain, strict=True)]) / 1e6
    assert 1.5 < np.abs(off).max() <= 2.0
    assert abs(off.mean()) < 0.3
    driver, clock = opened(
        "imu", faults={"clock_step": {"every_s": 1000, "for_s": 900, "at_s": 1, "ms": 700}}
    )
    stepped = clock.run(driver, 2.0)
    off = np.array([a.t_ns - b.t_ns for a, b in zip(stepped, plain, strict=True)]) / 1e6
    assert set(off[:400]) == {0.0}
    assert set(off[400:]) == {700.0}
    for spoiled in (jittered, stepped):
        assert all(np.array_equal(a.data, b.data) for a, b in zip(spoiled, plain, strict=True))


@pytest.mark.parametrize("modality", RATES_HZ)
def test_noise_spoils_data_within_their_limits(modality: Modality) -> None:
    """Breaks if a noisy sensor gives a type or a value that no such sensor gives."""
    driver, clock = opened(modality, faults={"noise": {"every_s": 0, "strength": 2.0}})
    clean, other = opened(modality)
    noisy, plain = clock.run(driver, 0.3), other.run(clean, 0.3)
    for spoiled, sample in zip(noisy, plain, strict=True):
        assert spoiled.data.dtype == sample.data.dtype
        assert spoiled.t_ns == sample.t_ns
        assert np.isfinite(spoiled.data).all()
        if modality is Modality.AUDIO:
            assert np.abs(spoiled.data).max() <= 1.0
        if modality in (Modality.DEPTH, Modality.THERMAL):
            assert spoiled.data.min() >= 0.0
    shift = [
        np.abs(a.data - b.data.astype(float)).mean() for a, b in zip(noisy, plain, strict=True)
    ]
    assert min(shift) > 0.05


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"modality": "smell"}, "'smell'"),
        ({"modality": "audio", "rate_hz": 44100}, "only 16000"),
        ({"modality": "vision", "rate_hz": 0}, "0.01 to 60"),
        ({"modality": "imu", "script": "opera"}, "opera"),
        ({"modality": "imu", "faults": {"fire": {}}}, "'fire'"),
        ({"modality": "imu", "faults": {"gap": {"ms": 3}}}, "no option 'ms'"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, says: str) -> None:
    """Breaks if a typing error in the config starts a robot with another world."""
    with pytest.raises(ConfigError, match=says):
        World("s", **options)


def test_the_questions_fit_the_world() -> None:
    """Breaks if a question asks for a word that the truth never says, or no sensor can tell."""
    asked = questions()
    assert {name: tuple(q["words"]) for name, q in asked.items()} == FACTORS
    for question in asked.values():
        assert set(question["modalities"]) <= set(RATES_HZ)
        assert all(prompt.count("{}") == 1 for prompt in question["prompts"])
