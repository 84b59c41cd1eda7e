"""What stands between two versions of a configuration, application by application. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bindstream.errors import ConfigError
from deploy.config.arguments import StreamArgs
from deploy.config.file import App, Config
from deploy.live.control import Outcome

Kind: TypeAlias = Literal["unchanged", "reconfigured", "restarted", "added", "removed"]
Place: TypeAlias = tuple[str, str]
"""A stream: its robot's name and its own."""
FOR_GOOD = ("http_options", "proxy_location")
"""What Serve takes at its start alone."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one application. ``reconfigured``: it is told something new, and goes on."""

    app: str
    kind: Kind


def changes(before: Sequence[App], after: Sequence[App]) -> list[Change]:
    """One per application of either, in the order of ``after``, those removed at the end."""
    old = {app.name: app for app in before}
    new = {app.name for app in after}
    made = [Change(app.name, _kind(old.get(app.name), app)) for app in after]
    return made + [Change(name, "removed") for name in old if name not in new]


def _kind(old: App | None, new: App) -> Kind:
    if old is None:
        return "added"
    if (old.args, old.route) != (new.args, new.route):
        return "restarted"
    return "unchanged" if old.live == new.live else "reconfigured"


def refuse_unfit(running: Config, wanted: Config) -> None:
    """Raises ConfigError where no change of applications leads from one file to the other."""
    names = [robot.name for robot in running.robots]
    if not {robot.name for robot in wanted.robots} & set(names):
        raise ConfigError(
            f"{wanted.path}: has none of the robots that run here ({', '.join(names)}): "
            "stop that run, and start one with this file"
        )
    for key in FOR_GOOD:
        before, after = running.serve.get(key), wanted.serve.get(key)
        if before != after:
            raise ConfigError(
                f"{wanted.path}: {key} is {after}, and {before} in what runs: it cannot change "
                "while it runs; stop the run and start it again"
            )


def places(apps: Sequence[App]) -> dict[str, Place]:
    """Where the streams among them are, by their application's name."""
    return {a.name: (a.args.robot, a.args.name) for a in apps if isinstance(a.args, StreamArgs)}


def outcomes(
    made: Sequence[Change],
    apps: tuple[Sequence[App], Sequence[App]],
    epochs: tuple[Mapping[Place, int], Mapping[Place, int]],
) -> list[Outcome]:
    """What is told of each change. ``apps`` and ``epochs`` are those before and after it.

    An application that is new has no epoch before, also where a stream of that name had one.
    """
    (old, new), (before, after) = map(places, apps), epochs
    return [
        Outcome(
            c.app,
            c.kind,
            before.get(old[c.app], 0) if c.app in old else 0,
            after.get(new[c.app], 0) if c.app in new else 0,
        )
        for c in made
    ]
