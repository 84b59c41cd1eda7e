"""What is true in the simulated world that a configuration's streams observe; for showing and
for evaluation only, never for the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.config.file import Robot
from sensors.world import script as world_script


@dataclass(frozen=True, slots=True)
class WorldTruth:
    """One world: its seed and script, and the questions that are asked of it."""

    seed: int
    script: world_script.Scripted
    questions: tuple[str, ...]

    @classmethod
    def of(cls, robot: Robot) -> WorldTruth | None:
        """The world of a robot whose streams are all one world; None for any other robot."""
        worlds = [
            (int(s.options.get("seed", 0)), s.options.get("script"))
            for s in robot.streams
            if s.driver == "world"
        ]
        if len(worlds) != len(robot.streams) or any(world != worlds[0] for world in worlds):
            return None
        return cls(*worlds[0], tuple(robot.live.labels))

    def words(self, t_ns: int) -> dict[str, frozenset[str]]:
        """Per question every word that is right at ``t_ns`` (Unix)."""
        truth = world_script.truth(self.seed, world_script.world_s(t_ns), self.script)
        return {q: _all(truth[q]) for q in self.questions if q in truth}

    def held_s(self, t_ns: int) -> dict[str, float]:
        """Per question for how long that has been so."""
        return world_script.unchanged_s(self.seed, world_script.world_s(t_ns), self.script)


def _all(words: str | list[str]) -> frozenset[str]:
    return frozenset([words] if isinstance(words, str) else words)
