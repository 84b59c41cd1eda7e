"""Paired observations of the world for training and evaluation, rendered as the live driver does.

``observe(seed, index, split)`` is a pure function. Splits: ``train``; ``test``, with other
draws and skins (walls, floors, colours, voices) never seen in training; ``held_out``, as test,
but every scene holds a combination of factors that never occurs in the other two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bindstream.types import Array, DepthMeta, ImuMeta, Modality, VisionMeta
from sensors.world import look, motion, sound
from sensors.world.state import (
    AMBIENTS,
    DISTANCES,
    FLOORS,
    LIGHTS,
    MOTIONS,
    OBJECTS,
    Truth,
    WorldState,
    draw_move,
    draw_skin,
    key,
    place_things,
    rng,
)

SPLITS = ("train", "test", "held_out")
CAMERA_HZ = 20.0
VISION_S = 0.25
FRAME_SPAN_S = VISION_S - 1 / CAMERA_HZ
"""From the first to the last frame in the window [end - 0.25 s, end) of a 20 Hz camera: 0.2 s.
A 30 Hz camera gives the same span on the same grid of windows."""
AUDIO_S = 2.0
IMU_S = 5.0

HELD_OUT_KINDS = ("pair", "sound", "scene")
"""Kinds of combinations kept out of training; see `held_out_kinds`."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One scene through all five sensors at ``t_s`` (the windows' common end).

    ``frames`` (2, 224, 224, 3) uint8 RGB; ``audio`` (32000,) float32 at 16 kHz; ``depth``
    (112, 112) float32 m, 0 = hole; ``thermal`` (112, 112) float32 K; ``imu`` (6, 2000) float32,
    m/s2 then rad/s, 400 Hz. A sensor that was not asked for is None. ``meta`` per modality as in
    `bindstream.types.Window`; ``truth`` as `WorldState.truth`.
    """

    frames: Array | None
    audio: Array | None
    depth: Array | None
    thermal: Array | None
    imu: Array | None
    meta: dict[Modality, VisionMeta | DepthMeta | ImuMeta]
    truth: Truth
    t_s: float


def observe(
    seed: int, index: int, split: str = "train", sensors: Iterable[str] | None = None
) -> Observation:
    """Scene ``index`` of a split, through the named sensors (default: all five)."""
    state, t_s = scene(seed, index, split)
    wanted = (
        set(map(str, sensors))
        if sensors is not None
        else {"vision", "audio", "depth", "thermal", "imu"}
    )
    return render(state, t_s, wanted)


def scene(seed: int, index: int, split: str = "train") -> tuple[WorldState, float]:
    """The state of one scene and the time at which its windows end."""
    if split not in SPLITS:
        raise ValueError(f"split '{split}' is none of {', '.join(SPLITS)}")
    draw = rng("scene", split, seed, index)
    names, distances, factors = _draw_factors(draw, held_out=split == "held_out")
    bank = "train" if split == "train" else "test"
    t_s = float(draw.uniform(10.0, 1000.0))
    pose = (*draw.uniform(0, 100, 2).tolist(), float(draw.uniform(0, 2 * np.pi)))
    state = WorldState(
        things=place_things(draw, names, distances, bank),
        motion=factors["motion"],
        floor=factors["floor"],
        ambient=factors["ambient"],
        light=factors["light"],
        move=draw_move(draw, factors["motion"], t_s - 6.0, pose),
        wall_skin=draw_skin(draw, bank),
        floor_skin=draw_skin(draw, bank),
        body=key("body", split, seed, index),
        place=key("place", split, seed, index),
    )
    return state, t_s


def render(state: WorldState, t_s: float, sensors: set[str]) -> Observation:
    """All windows of one state that end at ``t_s``, as a live stream would have cut them."""
    imu = _imu(state, t_s) if "imu" in sensors else None
    meta: dict[Modality, VisionMeta | DepthMeta | ImuMeta] = {
        Modality.VISION: VisionMeta(span_ns=round(FRAME_SPAN_S * 1e9)),
        Modality.DEPTH: look.DEPTH_META,
    }
    if imu is not None:
        meta[Modality.IMU] = imu_meta(imu)
    return Observation(
        frames=_pair(state, t_s) if "vision" in sensors else None,
        audio=_audio(state, t_s) if "audio" in sensors else None,
        depth=look.depth(state, t_s) if "depth" in sensors else None,
        thermal=look.thermal(state, t_s) if "thermal" in sensors else None,
        imu=imu,
        meta=meta,
        truth=state.truth(),
        t_s=t_s,
    )


def imu_meta(imu: Array) -> ImuMeta:
    """The statistics of one window, as a stream would have them that has just begun."""
    return ImuMeta(
        rate_hz=float(motion.IMU_HZ),
        mean=tuple(map(float, imu.mean(axis=1))),
        std=tuple(map(float, imu.std(axis=1))),
    )


def held_out_kinds(
    names: Sequence[str], distances: Sequence[str], factors: Mapping[str, str]
) -> frozenset[str]:
    """Which kinds of combinations these factors hold that are kept out of training.

    ``pair``: two objects never together (15 of 120). ``sound``: an object at a distance in an
    ambient (16 of 144). ``scene``: a motion on a floor in a light (6 of 24). Every
    pair of words but those objects still occurs in training, about as often as others: what
    is kept out leaves no trace that a sensor could learn instead (an object that never were
    in rain would say "no rain").
    """
    order = [OBJECTS.index(name) for name in names]
    ambient = AMBIENTS.index(factors["ambient"])
    kinds = set()
    if len(order) == 2 and sum(order) % 8 == 0:
        kinds.add("pair")
    spots = zip(order, map(DISTANCES.index, distances), strict=True)
    if any(thing % 3 == spot and (thing // 3 + spot) % 3 == ambient for thing, spot in spots):
        kinds.add("sound")
    corner = (MOTIONS.index(factors["motion"]) + FLOORS.index(factors["floor"])) % 4
    if corner == 2 * LIGHTS.index(factors["light"]):
        kinds.add("scene")
    return frozenset(kinds)


def _draw_factors(
    draw: np.random.Generator, held_out: bool
) -> tuple[list[str], list[str], dict[str, str]]:
    """Uniform over all factors, drawn again until they are of the wanted kind."""
    wanted = HELD_OUT_KINDS[int(draw.integers(3))] if held_out else ""
    while True:
        names, distances, factors = _draw_once(draw)
        kinds = held_out_kinds(names, distances, factors)
        if wanted in kinds or not (held_out or kinds):
            return names, distances, factors


def _draw_once(draw: np.random.Generator) -> tuple[list[str], list[str], dict[str, str]]:
    """One or two objects, the second no nearer than the first, and a word for each factor."""
    count = int(draw.integers(1, 3))
    names = [OBJECTS[i] for i in draw.permutation(len(OBJECTS))[:count]]
    nearest = int(draw.integers(3))
    distances = [DISTANCES[nearest]]
    if count == 2:
        distances.append(DISTANCES[int(draw.integers(nearest, 3))])
    factors = {
        "motion": MOTIONS[int(draw.integers(4))],
        "floor": FLOORS[int(draw.integers(3))],
        "ambient": AMBIENTS[int(draw.integers(3))],
        "light": LIGHTS[int(draw.integers(2))],
    }
    return names, distances, factors


def _pair(state: WorldState, t_s: float) -> Array:
    return np.stack([look.frame(state, t_s - VISION_S), look.frame(state, t_s - 1 / CAMERA_HZ)])


def _audio(state: WorldState, t_s: float) -> Array:
    count = round(AUDIO_S * sound.AUDIO_HZ)
    return sound.samples(state, round(t_s * sound.AUDIO_HZ) - count, count)


def _imu(state: WorldState, t_s: float) -> Array:
    count = round(IMU_S * motion.IMU_HZ)
    return motion.readings(state, round(t_s * motion.IMU_HZ) - count, count)
