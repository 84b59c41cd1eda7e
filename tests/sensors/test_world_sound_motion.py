"""What the world's microphone hears and its inertial unit feels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.world import motion, sound
from sensors.world.observations import scene
from sensors.world.state import FACTORS, OBJECTS, WorldState, draw_move, rng


def moving(seed: int, word: str, floor: str = "tiles") -> WorldState:
    state = replace(scene(seed, 0)[0], motion=word, floor=floor)
    return replace(state, move=draw_move(rng("m", seed), word, 0.0, (0.0, 0.0, 0.0)))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**9), st.integers(1, 1999), st.integers(0, 40))
def test_any_cut_gives_the_same_signal(first: int, cut: int, index: int) -> None:
    """Breaks if a batch's size or start changes what was heard or felt."""
    state, _ = scene(0, index)
    for sensor in (sound.samples, motion.readings):
        whole = sensor(state, first, 2000)
        parts = [sensor(state, first, cut), sensor(state, first + cut, 2000 - cut)]
        np.testing.assert_allclose(np.concatenate(parts, axis=-1), whole, atol=2e-6)


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("ambient", FACTORS["ambient"])
def test_every_object_is_heard_above_the_ambient(name: str, ambient: str) -> None:
    """Breaks if a far object drowns: its own share of any two seconds must stand out."""
    state = replace(moving(3, "forward", "gravel"), ambient=ambient)
    thing = replace(state.things[0], name=name, distance="far")
    for first in (16000 * 50, 16000 * 51 + 7000, 16000 * 60):
        alone = sound.samples(replace(state, things=()), first, 32000)
        mixed = sound.samples(replace(state, things=(thing,)), first, 32000)
        assert mixed.dtype == np.float32
        assert np.abs(mixed).max() < 1.0
        assert np.std(mixed - alone) > 0.9 * np.std(alone), name


def test_the_microphone_is_blind_to_light_and_to_left_or_right() -> None:
    """Breaks if audio could answer what it cannot hear."""
    left, right = moving(4, "turn left"), moving(4, "turn right")
    night = replace(left, light="night")
    heard = [sound.samples(state, 16000, 16000) for state in (left, right, night)]
    assert np.array_equal(heard[0], heard[1])
    assert np.array_equal(heard[0], heard[2])


def test_nearer_is_louder() -> None:
    """Breaks if distance cannot be heard at all."""
    state = replace(moving(5, "still"), ambient="quiet")
    levels = []
    for distance in ("far", "mid", "near"):
        thing = replace(state.things[0], distance=distance)
        levels.append(np.std(sound.samples(replace(state, things=(thing,)), 0, 32000)))
    assert levels == sorted(levels)


@pytest.mark.parametrize("seed", range(5))
def test_turns_are_felt_by_their_sign_and_standing_feels_gravity(seed: int) -> None:
    """Breaks if left and right are swapped (z up, left positive) or units are not SI."""
    left = motion.readings(moving(seed, "turn left"), 4000, 2000)
    right = motion.readings(moving(seed, "turn right"), 4000, 2000)
    still = motion.readings(moving(seed, "still"), 4000, 2000)
    assert left[5].mean() > 0.1
    assert right[5].mean() < -0.1
    assert abs(still[5].mean()) < 0.1
    assert np.median(np.linalg.norm(still[:3], axis=0)) == pytest.approx(9.8, abs=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_rougher_floors_shake_more_on_the_move_and_not_at_rest(seed: int) -> None:
    """Breaks if the floor cannot be felt, or is felt by a robot that stands."""

    def shake(word: str, floor: str) -> float:
        felt = motion.readings(moving(seed, word, floor), 4000, 2000)
        return float(np.median(np.abs(np.diff(felt[2]))))

    assert shake("forward", "carpet") < shake("forward", "tiles") < shake("forward", "gravel")
    assert shake("still", "gravel") == shake("still", "carpet")


def test_the_unit_is_mounted_askew_and_bumped() -> None:
    """Breaks if the mounting is level for all, or nothing ever knocks against the robot."""
    tilts, peaks = [], []
    for seed in range(12):
        felt = motion.readings(moving(seed, "still"), 4000, 2000)
        gravity = np.median(felt[:3], axis=1)
        tilts.append(np.degrees(np.arccos(gravity[2] / np.linalg.norm(gravity))))
        peaks.append(np.abs(felt[:3] - gravity[:, None]).max())
    assert np.ptp(tilts) > 3
    assert max(tilts) < 20
    assert max(peaks) > 2.0


def test_the_unit_is_blind_to_things_weather_and_light() -> None:
    """Breaks if an IMU could name an object."""
    state = moving(6, "forward")
    other = replace(state, things=(), ambient="rain", light="night")
    felt = [motion.readings(s, 4000, 2000) for s in (state, other)]
    assert np.array_equal(felt[0], felt[1])
