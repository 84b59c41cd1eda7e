"""How the world changes: scripts, random evolution, and the truth at any time.

World time is seconds since `ORIGIN_NS` on the host's clock, so every process on it that knows
seed and script computes the same state. A script repeats for ever; each round is an episode
with its own draws (positions, skins, speeds).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from bindstream.errors import ConfigError
from sensors.options import shown
from sensors.world.state import (
    AMBIENTS,
    DISTANCES,
    FACTORS,
    FLOORS,
    LIGHTS,
    MOTIONS,
    OBJECTS,
    Move,
    Truth,
    WorldState,
    draw_move,
    draw_skin,
    key,
    place_things,
    rng,
)

ORIGIN_NS = 1_767_225_600_000_000_000
"""World time 0: 2026-01-01T00:00:00Z."""
BANK = "test"
"""A live world wears skins that no training saw."""


@dataclass(frozen=True, slots=True)
class Change:
    """At ``at_s`` of the script these factors take new values; None leaves one as it is.
    ``objects`` and ``distances`` come together, nearest first."""

    at_s: float
    objects: tuple[str, ...] | None = None
    distances: tuple[str, ...] | None = None
    motion: str | None = None
    floor: str | None = None
    ambient: str | None = None
    light: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """Changes in order of time, the first at 0 and complete; round again after ``length_s``."""

    length_s: float
    changes: tuple[Change, ...]


Scripted: TypeAlias = Script | Mapping[str, Any] | str | None
"""A script as options may give it: None (random), a shipped script's name, or a mapping
``{length_s: 60, changes: [{at_s: 0, object: [dog], distance: near, motion: still, ...}, ...]}``."""


def world_s(t_ns: int) -> float:
    """World time of a Unix time in ns."""
    return (t_ns - ORIGIN_NS) / 1e9


def state_at(seed: int, t_s: float, script: Scripted = None) -> WorldState:
    """What holds at world time ``t_s``. Raises ConfigError for a script that cannot be read."""
    times, states = _timeline_at(seed, t_s, script)
    return states[bisect_right(times, t_s) - 1]


def truth(seed: int, t_s: float, script: Scripted = None) -> Truth:
    """The words that are true at world time ``t_s``; for evaluation only."""
    return state_at(seed, t_s, script).truth()


def unchanged_s(seed: int, t_s: float, script: Scripted = None) -> dict[str, float]:
    """Per factor, for how many seconds its truth has held at ``t_s`` (within its episode)."""
    times, states = _timeline_at(seed, t_s, script)
    now = bisect_right(times, t_s) - 1
    words = states[now].truth()
    since = dict.fromkeys(words, times[0])
    for factor in words:
        for i in range(now, 0, -1):
            if states[i - 1].truth()[factor] != words[factor]:
                since[factor] = times[i]
                break
    return {factor: t_s - begun for factor, begun in since.items()}


def parse(script: Scripted) -> Script | None:
    """Any form of a script as a `Script`; None stays None. Raises ConfigError."""
    if script is None or isinstance(script, Script):
        return script
    if isinstance(script, str):
        if script not in SCRIPTS:
            raise ConfigError(
                f"world script {script!r:.80} is unknown; shipped: {', '.join(SCRIPTS)}"
            )
        return SCRIPTS[script]
    try:
        return _parse_mapping(script)
    except ConfigError:
        raise
    except Exception as error:  # a list where a map belongs, a word where a number does
        raise ConfigError(
            "a world script is {length_s: seconds, changes: [{at_s: seconds, object: ..}, ...]};"
            f" got {shown(script)} ({error!s:.80})"
        ) from error


def _parse_mapping(script: Mapping[str, Any]) -> Script:
    unknown = set(script) - {"length_s", "changes"}
    rows: Sequence[Mapping[str, Any]] = script.get("changes") or ()
    if unknown or not rows or "length_s" not in script:
        raise ConfigError(
            "a world script is {length_s: seconds, changes: [...]} with at least one change; "
            f"got keys {sorted(map(str, script))}"
        )
    changes = tuple(_parse_change(row) for row in rows)
    times = [change.at_s for change in changes]
    length_s = float(script["length_s"])
    if times != sorted(times) or times[0] != 0 or not times[-1] < length_s < math.inf:
        raise ConfigError(
            f"world script: at_s must rise from 0 and stay below length_s; got {times}"
        )
    missing = [
        name
        for name in ("objects", "motion", "floor", "ambient", "light")
        if getattr(changes[0], name) is None
    ]
    if missing:
        raise ConfigError(f"world script: its first change must set all factors; no {missing}")
    return Script(length_s, changes)


def _parse_change(row: Mapping[str, Any]) -> Change:
    unknown = set(row) - {"at_s", *FACTORS}
    if unknown or "at_s" not in row:
        raise ConfigError(
            f"world script: a change holds at_s and any of {', '.join(FACTORS)}; got {dict(row)}"
        )
    words = {name: _words(row[name]) for name in row if name != "at_s"}
    for name, given in words.items():
        wrong = [word for word in given if word not in FACTORS[name]]
        if wrong:
            raise ConfigError(
                f"world script at {row['at_s']} s: {name} {wrong[0]!r} is none of "
                f"{', '.join(FACTORS[name])}"
            )
    objects, distances = words.pop("object", None), words.pop("distance", None)
    if (objects is None) != (distances is None):
        raise ConfigError(f"world script at {row['at_s']} s: object and distance come together")
    if objects is not None and distances is not None:
        _check_objects(float(row["at_s"]), objects, distances)
        distances = distances if len(distances) == len(objects) else distances * len(objects)
    singles = {name: given[0] for name, given in words.items()}
    return Change(float(row["at_s"]), objects, distances, **singles)


def _check_objects(at_s: float, objects: tuple[str, ...], distances: tuple[str, ...]) -> None:
    if not 1 <= len(set(objects)) == len(objects) <= 2 or len(distances) not in (1, len(objects)):
        raise ConfigError(
            f"world script at {at_s} s: one or two different objects, each with a distance "
            f"or one for both; got {objects} and {distances}"
        )
    if list(distances) != sorted(distances, key=DISTANCES.index):
        raise ConfigError(f"world script at {at_s} s: name the nearest object first")


def _words(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(map(str, given))


def _timeline_at(
    seed: int, t_s: float, script: Scripted
) -> tuple[tuple[float, ...], tuple[WorldState, ...]]:
    known = _shipped(script) if isinstance(script, str) else parse(script)
    length_s = known.length_s if known else RANDOM_EPISODE_S
    return _timeline(seed, int(t_s // length_s), known)


@lru_cache(maxsize=8)
def _shipped(name: str) -> Script | None:
    return parse(name)


@lru_cache(maxsize=16)
def _timeline(
    seed: int, episode: int, script: Script | None
) -> tuple[tuple[float, ...], tuple[WorldState, ...]]:
    """Start (world time) and state of each stretch of one episode."""
    script = script or random_script(seed, episode)
    begin_s = episode * script.length_s
    states = [_first_state(seed, episode, begin_s, script.changes[0])]
    for i, change in enumerate(script.changes[1:], 1):
        draw = rng("change", seed, episode, i)
        states.append(_changed(states[-1], change, draw, begin_s + change.at_s))
    return tuple(begin_s + change.at_s for change in script.changes), tuple(states)


def _first_state(seed: int, episode: int, begin_s: float, first: Change) -> WorldState:
    draw = rng("episode", seed, episode)
    x_m, y_m, heading = draw.uniform(0, 6, 3).tolist()
    blank = WorldState(
        things=(),
        motion=MOTIONS[0],
        floor=FLOORS[0],
        ambient=AMBIENTS[0],
        light=LIGHTS[0],
        move=Move(begin_s, x_m, y_m, heading, 0.0, 0.0),
        wall_skin=draw_skin(draw, BANK),
        floor_skin=draw_skin(draw, BANK),
        body=key("robot", seed),
        place=key("room", seed, episode),
    )
    return _changed(blank, first, draw, begin_s)


def _changed(old: WorldState, change: Change, draw: np.random.Generator, t_s: float) -> WorldState:
    new = replace(
        old,
        motion=change.motion or old.motion,
        floor=change.floor or old.floor,
        ambient=change.ambient or old.ambient,
        light=change.light or old.light,
    )
    if change.objects is not None and change.distances is not None:
        things = place_things(draw, list(change.objects), list(change.distances), BANK)
        new = replace(new, things=things)
    if new.motion != old.motion:
        new = replace(new, move=draw_move(draw, new.motion, t_s, old.move.pose_at(t_s)))
    if new.floor != old.floor:
        # Another floor is another room.
        new = replace(new, floor_skin=draw_skin(draw, BANK), wall_skin=draw_skin(draw, BANK))
    return new


RANDOM_EPISODE_S = 600.0
_STAYS_S = {
    "object": (12.0, 30.0),
    "motion": (16.0, 40.0),
    "floor": (40.0, 90.0),
    "ambient": (25.0, 60.0),
    "light": (60.0, 120.0),
}
"""How long each factor stays at least and at most in a random world."""


def random_script(seed: int, episode: int) -> Script:
    """Ten minutes in which each factor changes at its own pace."""
    rows: dict[float, Change] = {}
    for factor, (least_s, most_s) in _STAYS_S.items():
        draw = rng("pace", seed, episode, factor)
        at_s, previous = 0.0, ""
        while at_s < RANDOM_EPISODE_S - least_s:
            change = _random_change(factor, draw, at_s, previous)
            previous = getattr(change, factor, None) or ""
            row = rows.get(at_s, Change(at_s))
            rows[at_s] = _merged(row, change)
            at_s = round(at_s + float(draw.uniform(least_s, most_s)), 1)
    return Script(RANDOM_EPISODE_S, tuple(rows[at_s] for at_s in sorted(rows)))


def _merged(row: Change, change: Change) -> Change:
    names = ("objects", "distances", "motion", "floor", "ambient", "light")
    given = {name: getattr(change, name) for name in names if getattr(change, name) is not None}
    return replace(row, **given)


def _random_change(
    factor: str, draw: np.random.Generator, at_s: float, previous: str = ""
) -> Change:
    if factor != "object":
        others = [word for word in FACTORS[factor] if word != previous]
        return Change(at_s, **{factor: others[int(draw.integers(len(others)))]})  # type: ignore[arg-type]
    count = int(draw.integers(1, 3))
    names = tuple(OBJECTS[i] for i in draw.permutation(len(OBJECTS))[:count])
    picks = sorted(draw.integers(0, len(DISTANCES), count).tolist())
    return Change(at_s, objects=names, distances=tuple(DISTANCES[i] for i in picks))


_TOUR_OBJECTS = """
dog near | clock mid | car far | kettle near | bird mid, bell far | campfire far | person near |
fan mid | drone near, frog mid | guitar far | telephone near | train mid | fountain near, dog far |
washer mid | frog near | bell mid | bird far | guitar near, person near | car mid | fountain far
"""
_TOUR_WORDS = {
    "motion": (20.0, "still, forward, turn left, turn right, forward, still, turn right, forward,"
               "turn left, still, turn left, forward, turn right, forward, turn left"),
    "floor": (60.0, "carpet, tiles, gravel, carpet, tiles"),
    "ambient": (30.0, "quiet, rain, alarm, quiet, alarm, rain, quiet, alarm, rain, quiet"),
    "light": (75.0, "day, night, day, night"),
}  # fmt: skip
"""Seconds between changes, and the words in turn: each five minutes."""


def _tour() -> Script:
    """Five minutes that show every word of every factor; objects change every 15 s."""
    rows: dict[float, Change] = {}
    for i, group in enumerate(" ".join(_TOUR_OBJECTS.split()).split(" | ")):
        pairs = [item.split() for item in group.split(", ")]
        names, distances = zip(*pairs, strict=True)
        rows[15.0 * i] = Change(15.0 * i, objects=names, distances=distances)
    for factor, (every_s, words) in _TOUR_WORDS.items():
        for i, word in enumerate(words.split(",")):
            at_s = every_s * i
            rows[at_s] = replace(rows.get(at_s, Change(at_s)), **{factor: word.strip()})  # type: ignore[arg-type]
    return Script(300.0, tuple(rows[at_s] for at_s in sorted(rows)))


SCRIPTS = {"tour": _tour()}
