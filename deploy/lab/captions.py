"""The simulated world's truth -> English, and the words that ask for it.

``caption`` writes a fresh sentence of a scene (training), ``full_caption`` the one sentence that
says everything (evaluation), ``prompts`` the questions for one word of one factor. All words
come from the tables below: they are the small weights' whole vocabulary.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from sensors.world.state import FACTORS

Words = Mapping[str, Sequence[str]]
"""Factor -> the words that are true of a scene."""

_OBJECTS = {
    "dog": ("dog", "puppy", "hound"),
    "bird": ("bird", "sparrow"),
    "person": ("person", "human", "somebody"),
    "car": ("car", "automobile", "vehicle"),
    "drone": ("drone", "quadcopter"),
    "kettle": ("kettle", "teapot"),
    "clock": ("clock", "timepiece"),
    "campfire": ("campfire", "fire", "bonfire"),
    "telephone": ("telephone", "phone"),
    "fan": ("fan", "ventilator"),
    "bell": ("bell", "gong"),
    "guitar": ("guitar", "string instrument"),
    "train": ("train", "locomotive"),
    "washer": ("washer", "washing machine"),
    "frog": ("frog", "toad"),
    "fountain": ("fountain", "water fountain"),
}
_PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "distance": {
        "near": ("near", "close", "nearby", "very close", "close by", "in front"),
        "mid": ("mid", "at mid distance", "at medium distance", "a few steps away", "halfway"),
        "far": ("far", "far away", "in the distance", "distant", "far off"),
    },
    "motion": {
        "still": ("still", "standing still", "not moving", "stopped", "at rest", "stationary"),
        "forward": (
            "forward",
            "moving forward",
            "driving forward",
            "driving ahead",
            "going straight",
        ),
        "turn left": ("turn left", "turning left", "rotating left", "turning to the left"),
        "turn right": ("turn right", "turning right", "rotating right", "turning to the right"),
    },
    "floor": {
        "carpet": ("on carpet", "on a carpet", "on a carpet floor", "on a rug", "carpet"),
        "tiles": ("on tiles", "on a tiled floor", "on a tile floor", "tiles"),
        "gravel": ("on gravel", "on a gravel floor", "over gravel", "on stones", "gravel"),
    },
    "ambient": {
        "quiet": ("quiet", "in silence", "with no noise", "in a quiet place", "silent"),
        "rain": ("rain", "in the rain", "in rain", "while it is raining", "raining"),
        "alarm": (
            "alarm",
            "with an alarm",
            "while an alarm is ringing",
            "with a siren",
            "alarm sound",
        ),
    },
    "light": {
        "day": ("day", "by day", "in daylight", "in bright light", "during the day"),
        "night": ("night", "at night", "in the dark", "by night", "in darkness"),
    },
}
_OBJECT_FRAMES = ("a {}", "the {}", "{}", "there is a {}", "a robot sees a {}", "a photo of a {}",
                  "the sound of a {}", "a thermal image of a {}", "this is a {}")  # fmt: skip
_FRAMES = ("{}", "{}", "it is {}", "a robot {}", "the robot is {}", "a scene {}", "something {}")
_KEEP = {
    "object": 0.95,
    "distance": 0.75,
    "motion": 0.8,
    "floor": 0.75,
    "ambient": 0.75,
    "light": 0.65,
}
_ALONE = 0.2  # share of captions of one factor only
_ASKED = {
    "object": ("a {}", "the {}", "a photo of a {}", "there is a {}"),
    "*": ("{}", "it is {}", "the robot is {}"),
}
_WORD = re.compile(r"[a-z']+")


def truth_words(truth: Mapping[str, list[str] | str]) -> dict[str, list[str]]:
    """The world's truth with every factor as a list of words."""
    return {f: [w] if isinstance(w, str) else list(w) for f, w in truth.items()}


def mirrored(words: Words) -> dict[str, list[str]]:
    """The same scene seen in a mirror: left is right."""
    swap = {"turn left": "turn right", "turn right": "turn left"}
    return {f: [swap.get(w, w) for w in ws] for f, ws in words.items()}


def caption(words: Words, chance: random.Random) -> tuple[str, dict[str, list[str]]]:
    """A sentence about the scene, and what it mentions: some factors left out, one of two
    objects sometimes, clauses in any order, in synonyms."""
    kept = [f for f in FACTORS if chance.random() < _KEEP[f]]
    alone = chance.random() < _ALONE or not kept
    if alone:
        kept = [chance.choice([*FACTORS, "object"])]
    mentions = {f: _mentioned(words[f], chance) for f in kept}
    clauses = [_clause(f, ws, chance, alone) for f, ws in mentions.items()]
    first, rest = clauses[0], clauses[1:]
    chance.shuffle(rest)
    parts = [first, *rest] if chance.random() < 0.8 else [*rest, first]
    return chance.choice((" ", ", ")).join(parts), mentions


def full_caption(words: Words) -> str:
    """Everything that is true, in one fixed form."""
    rest = [_PHRASES[f][words[f][0]][1] for f in _PHRASES]
    return ", ".join([" and ".join(f"a {name}" for name in words["object"]), *rest])


def prompts(factor: str, word: str) -> list[str]:
    """Ways to ask for one word of a factor, for an ensemble."""
    frames = _ASKED.get(factor, _ASKED["*"])
    names = [word] if factor == "object" else _PHRASES[factor][word][:4]
    return [frame.format(name) for frame in frames for name in names]


def vocabulary() -> list[str]:
    """Every word that a caption or a prompt can hold, sorted."""
    texts: list[str] = [*_OBJECT_FRAMES, *_FRAMES, "and", "with", "next to"]
    texts += [name for names in _OBJECTS.values() for name in names]
    texts += [text for words in _PHRASES.values() for texts in words.values() for text in texts]
    texts += [t for templates in _ASKED.values() for t in templates]
    return sorted(set(_split(texts)))


def _split(texts: Iterable[str]) -> list[str]:
    return [word for text in texts for word in _WORD.findall(text.lower())]


def _mentioned(words: Sequence[str], chance: random.Random) -> list[str]:
    if len(words) == 1:
        return list(words)
    count = 1 if chance.random() < 0.3 else len(words)
    return chance.sample(list(words), count)


def _clause(factor: str, words: Sequence[str], chance: random.Random, alone: bool) -> str:
    if factor != "object":
        phrase = chance.choice(_PHRASES[factor][words[0]])
        return chance.choice(_FRAMES).format(phrase) if alone else phrase
    names = [_name(word, chance) for word in words]
    joint = chance.choice((" and a ", " and a ", " with a ", " next to a "))
    return chance.choice(_OBJECT_FRAMES).format(joint.join(names))


def _name(word: str, chance: random.Random) -> str:
    """The word itself two times in three, else another name for it."""
    return word if chance.random() < 0.67 else chance.choice(_OBJECTS[word])
