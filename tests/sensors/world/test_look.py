"""What the cameras of the world show, and what they must not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sensors.world import look
from sensors.world.observations import scene
from sensors.world.sprites import sprite
from sensors.world.state import (
    BANKS,
    FACTORS,
    FLOORS,
    MOTIONS,
    OBJECTS,
    RANGES_M,
    WorldState,
    draw_move,
    rng,
)

SEEDS = range(6)


def state_of(seed: int, **changes: object) -> WorldState:
    """A scene by day in quiet, with the named factors changed and the move that belongs to them."""
    state = replace(scene(seed, 0)[0], ambient="quiet", light="day", **changes)
    move = draw_move(rng("move", seed), state.motion, 0.0, (1.0, 2.0, 0.5))
    return replace(state, move=move)


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_and_heat_are_blind_to_motion_and_floor(seed: int) -> None:
    """Breaks if a pose, a shake or a texture leaks into a sensor that cannot see motion."""
    for camera in (look.depth, look.thermal):
        seen = [camera(state_of(seed, motion=m, floor=f), 3.7) for m in MOTIONS for f in FLOORS]
        assert all(np.array_equal(seen[0], other) for other in seen[1:])


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_is_blind_to_light_and_weather_heat_only_to_weather(seed: int) -> None:
    """Breaks if rain or darkness shows in depth; or if night is no colder."""
    state = state_of(seed)
    for ambient in FACTORS["ambient"]:
        night = replace(state, ambient=ambient, light="night")
        assert np.array_equal(look.depth(state, 1.0), look.depth(night, 1.0))
        wet = replace(state, ambient=ambient)
        assert np.array_equal(look.thermal(state, 1.0), look.thermal(wet, 1.0))
        assert np.median(look.thermal(state, 1.0) - look.thermal(night, 1.0)) == pytest.approx(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_picture_flows_with_the_motion(seed: int) -> None:
    """Breaks if left and right are swapped, or if a robot that stands still sees flow."""

    def flow_px(motion: str) -> float:
        state = replace(state_of(seed, motion=motion), things=state_of(seed).things[:1])
        walls = [cv2.cvtColor(look.frame(state, t)[:60], cv2.COLOR_RGB2GRAY) for t in (5.0, 5.2)]
        (shift, _), _ = cv2.phaseCorrelate(*(wall.astype(np.float64) for wall in walls))
        return shift

    assert flow_px("turn left") > 5
    assert flow_px("turn right") < -5
    assert abs(flow_px("still")) < 1


def test_forward_moves_the_floor_toward_the_camera() -> None:
    """Breaks if driving ahead pulls the floor away: the texture's row must move down."""
    state = state_of(1, motion="forward", floor="gravel")
    state = replace(state, things=())
    first, second = look.frame(state, 5.0), look.frame(state, 5.05)
    strips = [cv2.cvtColor(f[150:210, 60:160], cv2.COLOR_RGB2GRAY) for f in (first, second)]
    (_, down), _ = cv2.phaseCorrelate(*(strip.astype(np.float64) for strip in strips))
    assert down > 1


@pytest.mark.parametrize("factor", ["ambient", "light", "floor"])
def test_the_camera_shows_every_factor(factor: str) -> None:
    """Breaks if a factor that a sensor should learn is not in the picture (issue 4)."""
    pictures = []
    for word in FACTORS[factor]:
        state = replace(state_of(3), **{factor: word})
        pictures.append(cv2.blur(look.frame(state, 5.0), (3, 3)).astype(float))
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert np.abs(one - other).mean() > 3


def test_formats() -> None:
    """Breaks if a picture changes its size, type or unit."""
    state = state_of(2)
    frame, depth, heat = (camera(state, 1.0) for camera in (look.frame, look.depth, look.thermal))
    assert (frame.shape, frame.dtype) == ((224, 224, 3), np.uint8)
    assert (depth.shape, depth.dtype) == ((112, 112), np.float32)
    assert (heat.shape, heat.dtype) == ((112, 112), np.float32)
    assert depth.min() == 0.0
    assert 4.5 < depth.max() < 6.0
    assert 270 < heat.min() < heat.max() < 450


@pytest.mark.parametrize("distance", RANGES_M)
def test_the_nearest_object_is_where_its_word_says(distance: str) -> None:
    """Breaks if depth and word disagree, or an object is too small to be seen."""
    for index in range(200):
        state, t_s = scene(5, index, "test")
        if state.truth()["distance"] != distance:
            continue
        depth = look.depth(state, t_s)[:50]  # above the floor that is nearer than any object
        near = np.abs(depth - state.things[0].range_m) < 0.12
        assert near.sum() > 40
        assert look.FOCAL_PX * look.OBJECT_M / state.things[0].range_m >= 48


def test_objects_differ_in_shape_and_heat() -> None:
    """Breaks if two objects can hardly be told apart by outline or by warmth."""
    first, _ = BANKS["test"]
    drawn = {name: sprite(name, first) for name in OBJECTS}
    for i, one in enumerate(OBJECTS):
        for other in OBJECTS[:i]:
            outlines = [drawn[name].rgba[:, :, 3] > 127 for name in (one, other)]
            overlap = (outlines[0] & outlines[1]).sum() / (outlines[0] | outlines[1]).sum()
            warmths = [drawn[name].heat for name in (one, other)]
            assert overlap < 0.85, (one, other)
            assert np.abs(warmths[0] - warmths[1]).mean() > 1.5, (one, other)
