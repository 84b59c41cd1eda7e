"""The world in words: captions for training and evaluation, and the questions of the demo."""

from __future__ import annotations

from typing import Any

import numpy as np

from sensors.world_state import FACTORS, Truth

PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "distance": {
        "near": ("near", "close by", "right in front"),
        "mid": ("a few steps away", "at middle distance"),
        "far": ("far away", "in the distance"),
    },
    "motion": {
        "still": ("the robot stands still", "the robot is not moving"),
        "forward": ("the robot drives forward", "the robot moves ahead"),
        "turn left": ("the robot turns left", "the robot rotates to the left"),
        "turn right": ("the robot turns right", "the robot rotates to the right"),
    },
    "floor": {
        "carpet": ("on carpet", "on a carpet floor"),
        "tiles": ("on tiles", "on a tiled floor"),
        "gravel": ("on gravel", "on loose stones"),
    },
    "ambient": {
        "quiet": ("it is quiet", "nothing else is heard"),
        "rain": ("it rains", "rain is falling"),
        "alarm": ("an alarm sounds", "an alarm is ringing"),
    },
    "light": {
        "day": ("by day", "in daylight"),
        "night": ("at night", "in the dark"),
    },
}
"""Ways to say each word but an object's; the first is the usual one."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "dog": ("dog", "hound"),
    "bird": ("bird",),
    "person": ("person", "human"),
    "car": ("car", "automobile"),
    "drone": ("drone", "quadcopter"),
    "kettle": ("kettle",),
    "clock": ("clock",),
    "campfire": ("campfire", "fire"),
    "telephone": ("telephone", "phone"),
    "fan": ("fan",),
    "bell": ("bell",),
    "guitar": ("guitar",),
    "train": ("train", "locomotive"),
    "washer": ("washer", "washing machine"),
    "frog": ("frog",),
    "fountain": ("fountain",),
}


def caption(truth: Truth, draw: np.random.Generator | None = None, keep: float = 1.0) -> str:
    """A sentence of a scene: ``a near dog and a clock, the robot turns left, on gravel, ...``.

    Without ``draw`` the usual words in the usual order, all factors named. With it, phrases
    and order vary and each factor is named with probability ``keep`` (at least one is).
    """
    clauses = {"object": _objects(truth, draw)}
    clauses |= {factor: _pick(PHRASES[factor][str(truth[factor])], draw) for factor in PHRASES}
    names = list(clauses)
    if draw is not None:
        kept = [name for name in names if draw.random() < keep]
        names = kept or [names[int(draw.integers(len(names)))]]
        draw.shuffle(names)
    return ", ".join(clauses[name] for name in names)


def _objects(truth: Truth, draw: np.random.Generator | None) -> str:
    names = list(truth["object"])
    if draw is not None:
        draw.shuffle(names)
    else:
        names.sort(key=FACTORS["object"].index)
    return " and ".join(f"a {_pick(SYNONYMS[name], draw)}" for name in names)


def _pick(phrases: tuple[str, ...], draw: np.random.Generator | None) -> str:
    return phrases[0] if draw is None else phrases[int(draw.integers(len(phrases)))]


def prompts(factor: str, word: str) -> tuple[str, ...]:
    """Ways to ask for one word of one factor: the texts whose vectors are averaged."""
    if factor == "object":
        return tuple(
            prompt
            for name in SYNONYMS[word]
            for prompt in (f"a {name}", f"a {name} near", f"a {name} far away")
        )
    return PHRASES[factor][word]


ASKED: dict[str, tuple[str, ...]] = {
    "object": ("vision", "audio", "thermal"),
    "distance": ("vision", "depth"),
    "motion": ("vision", "imu"),
    "floor": ("vision", "imu"),
    "ambient": ("vision", "audio"),
    "light": ("vision",),
}
"""Who is asked what: the sensors that can tell each factor."""

MARGINS: dict[str, float] = {
    "object": 0.02,
    "distance": 0.02,
    "motion": 0.02,
    "floor": 0.02,
    "ambient": 0.02,
    "light": 0.02,
}
"""Below this lead of the best word over the second, in cosine, nothing is said."""


def questions() -> dict[str, dict[str, Any]]:
    """The demo's questions, as plain data that a config can carry.

    ``{name: {"words": {word: [prompt, ...]}, "modalities": [...], "margin": 0.02}}``
    """
    return {
        factor: {
            "words": {word: list(prompts(factor, word)) for word in words},
            "modalities": list(ASKED[factor]),
            "margin": MARGINS[factor],
        }
        for factor, words in FACTORS.items()
    }
