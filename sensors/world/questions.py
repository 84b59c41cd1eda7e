"""The demo's questions about the simulated world, as a config's ``labels`` may carry them.

Per question: ``words`` (answer -> the phrases that mean it), ``prompts`` (templates around a
phrase), ``modalities`` (the sensors that can tell) and ``margin`` (least lead of the best word
over the second, in cosine, below which nothing is said).
"""

from __future__ import annotations

from typing import Any

from sensors.world.state import FACTORS

_PHRASES: dict[str, tuple[str, ...]] = {
    "near": ("near", "close", "nearby"),
    "mid": ("at mid distance", "at medium distance", "a few steps away"),
    "far": ("far away", "in the distance", "far off"),
    "still": ("standing still", "not moving", "stopped"),
    "forward": ("moving forward", "driving forward", "driving ahead"),
    "turn left": ("turning left", "rotating left", "turning to the left"),
    "turn right": ("turning right", "rotating right", "turning to the right"),
    "carpet": ("on carpet", "on a carpet", "on a carpet floor"),
    "tiles": ("on tiles", "on a tiled floor", "on a tile floor"),
    "gravel": ("on gravel", "on a gravel floor", "over gravel"),
    "quiet": ("quiet", "in silence", "with no noise"),
    "rain": ("in the rain", "in rain", "while it is raining"),
    "alarm": ("with an alarm", "while an alarm is ringing", "with a siren"),
    "day": ("by day", "in daylight", "during the day"),
    "night": ("at night", "in the dark", "by night"),
}
"""What means each word but an object's, which means itself."""

_TELLERS: dict[str, tuple[str, ...]] = {
    "object": ("vision", "audio", "thermal"),
    "distance": ("vision", "depth"),
    "motion": ("vision", "imu"),
    "floor": ("vision",),
    "ambient": ("vision", "audio"),
    "light": ("vision",),
}
"""Who is asked what. An IMU feels the floor on the move alone, so it is not asked."""

_OBJECT_PROMPTS = ("a {}", "the {}", "a photo of a {}", "there is a {}")
_PROMPTS = ("{}", "it is {}", "the robot is {}")
_MARGIN = 0.02


def questions() -> dict[str, dict[str, Any]]:
    """One question per factor of the world, named after it."""
    return {
        factor: {
            "words": {word: list(_PHRASES.get(word, (word,))) for word in words},
            "prompts": list(_OBJECT_PROMPTS if factor == "object" else _PROMPTS),
            "modalities": list(_TELLERS[factor]),
            "margin": _MARGIN,
        }
        for factor, words in FACTORS.items()
    }
