"""``bindstream apply``: a running robot becomes as a file says; only what changed restarts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import msgspec

from bindstream.command.sheet import Column, plain, table, terminal_width
from bindstream.errors import ConfigError
from deploy.config.file import Config, load
from deploy.config.preflight import preflight
from deploy.live.control import Answer, Outcome, ask

_COLUMNS = [
    Column("application"),
    Column("what became of it"),
    Column("epoch before", figure=True),
    Column("after", figure=True),
]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a ray_config.yaml")
    parser.add_argument("--json", action="store_true", help="one object per line")


def run(args: argparse.Namespace) -> int:
    """0 when all stands, 1 when a part did not come up. Raises ConfigError when refused."""
    config = load(args.config)
    preflight(config, devices=False, ports=False)  # the running robot holds both
    answer = _asked(config)
    if answer.refused:
        raise ConfigError(answer.problem)
    for outcome in answer.outcomes:
        if args.json:
            print(json.dumps(msgspec.to_builtins(outcome)))
    if not args.json and answer.outcomes:
        rows = [_cells(outcome) for outcome in answer.outcomes]
        print("\n".join(plain(table(_COLUMNS, rows, terminal_width()))))
    if answer.problem:
        print(f"bindstream apply: {answer.problem}", file=sys.stderr)
    return 1 if answer.problem else 0


def _asked(config: Config) -> Answer:
    for robot in config.robots:
        answer = ask(robot.name, config.path, _waiting)
        if answer is not None:
            return answer
    names = ", ".join(f"'{robot.name}'" for robot in config.robots)
    raise ConfigError(
        f"no 'bindstream run' holds robot {names} on this machine: start it by "
        f"'bindstream run {config.path}'; on a Ray of its own, 'serve deploy {config.path}'"
    )


def _waiting() -> None:
    if sys.stderr.isatty():
        print(".", end="", file=sys.stderr, flush=True)


def _cells(outcome: Outcome) -> list[str]:
    epochs = (outcome.epoch_before, outcome.epoch_after)
    return [outcome.app, outcome.kind, *(str(epoch) if epoch else "-" for epoch in epochs)]
