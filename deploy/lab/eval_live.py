"""``bindstream eval --live``: a running simulated robot's words against its world's truth."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from bindstream.command.reach import why_nothing
from bindstream.command.sheet import Column, plain, table, terminal_width
from bindstream.errors import ConfigError
from bindstream.subscriber import Subscriber
from bindstream.types import Scene
from deploy.config.arguments import QuestionArgs
from deploy.config.file import Config, Robot
from deploy.config.formats import window_format
from deploy.lab.following import Following, Score, Tick
from deploy.world_truth import WorldTruth
from pipeline.windows.windower import length_of

STARTING_S = 60.0
_FIGURES = ("ticks", "right %", "silent %", "changes", "missed", "lag p50 s", "lag max s")
_COLUMNS = [Column("question"), *(Column(f, figure=True) for f in (*_FIGURES, "allowed s"))]


def follow(config: Config, seconds: float) -> list[Score]:
    """Subscribe for that long to the robot that runs ``config``; one score per question.

    Raises ConfigError when its streams are not one simulated world, or when nobody publishes.
    """
    robot = config.robots[0]
    world = WorldTruth.of(robot)
    if world is None:
        raise ConfigError("--live needs a robot whose streams are all one world: seed and script")
    following = Following(allowed_s(config, robot))
    for scene in _scenes(robot.args.publish.endpoint, seconds):
        following.add(
            Tick(
                t_s=scene.end_ns / 1e9,
                truth=world.words(scene.end_ns),
                held_s=world.held_s(scene.end_ns),
                said=scene.words,
            )
        )
    return following.scores()


def allowed_s(config: Config, robot: Robot) -> dict[str, float]:
    """Per question the longest window, plus its hop, among the streams that can answer."""
    return {name: _slowest_s(config, robot, q) for name, q in robot.live.labels.items()}


def record(score: Score) -> dict[str, Any]:
    """A score as ``--json`` prints it."""
    return {"kind": "live", **asdict(score)}


def print_table(scores: list[Score]) -> None:
    """For people: is what the scene says true, and how soon does it follow a change?"""
    print("A live scene's words against the truth")
    print(*plain(table(_COLUMNS, map(_cells, scores), terminal_width())), sep="\n")


def _cells(s: Score) -> list[str]:
    lags = ["-" if lag is None else f"{lag:.1f}" for lag in (s.lag_p50_s, s.lag_max_s)]
    shares = [f"{100 * share:.1f}" for share in (s.accuracy, s.silent)]
    counts = [str(s.changes), str(s.missed)]
    return [s.question, str(s.ticks), *shares, *counts, *lags, f"{s.allowed_s:.2f}"]


def _slowest_s(config: Config, robot: Robot, question: QuestionArgs) -> float:
    asked = [s for s in robot.streams if s.modality in question.modalities]
    lengths = (length_of(window_format(config, s), s.hop) + s.hop for s in asked)
    return max(lengths, default=0.0)


def _scenes(endpoint: str, seconds: float) -> Iterator[Scene]:
    with Subscriber(endpoint, topics=["scene/"]) as reader:
        first = reader.receive(STARTING_S)
        if first is None:
            why = why_nothing(endpoint, ["scene/"])
            raise ConfigError(f"no scene from {endpoint} within {STARTING_S:.0f} s: {why}")
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            message = reader.receive(1.0)
            if isinstance(message, Scene) and message.words:  # labels are learnt by now
                yield message
