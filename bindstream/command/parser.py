"""A verb's command line: argparse, with a sentence for each thing that can be typed wrong."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from bindstream.command.nearest import did_you_mean, nearest
from bindstream.endpoint import as_endpoint
from bindstream.errors import ConfigError
from bindstream.subscriber import DEFAULT_ENDPOINT

_WANTED = {int: "a whole number", float: "a number"}


class Parser(argparse.ArgumentParser):
    """Exit code 2 and one line, not the whole usage; ``--help`` has that."""

    def error(self, message: str) -> NoReturn:
        """Say it, and where to read more."""
        self.exit(2, f"{self.prog}: {message}\nsee: {self.prog} --help\n")

    def parsed(self, words: Sequence[str]) -> argparse.Namespace:
        """As ``parse_args``; of what it does not know, the nearest right one is named."""
        found, rest = self.parse_known_args(words)
        if rest:
            self.error(_unknown(rest[0], _options(self)))
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            said = f"'{value}' is not one of {', '.join(known)}"
            raise argparse.ArgumentError(action, said + did_you_mean(str(value), known))

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        wanted = _WANTED.get(action.type) if isinstance(action.type, type) else None
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            if wanted is None:
                raise
            raise argparse.ArgumentError(action, f"wants {wanted}, got '{arg_string}'") from None


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"wants a number above 0, got '{text}'")
    return value


def between(low: float, high: float) -> Callable[[str], float]:
    """A number from ``low`` to ``high``."""

    def checked(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            wanted = f"wants a number from {low:g} to {high:g}"
            raise argparse.ArgumentTypeError(f"{wanted}, got '{text}'")
        return value

    return checked


def one_or_more(text: str) -> int:
    """A whole number, 1 or more."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"wants a whole number, 1 or more, got '{text}'")
    return value


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    """The argument of every verb that reads a robot's stream."""
    parser.add_argument(
        "endpoint",
        nargs="?",
        default=DEFAULT_ENDPOINT,
        type=_endpoint,
        metavar="ENDPOINT",
        help="of the robot's stream, such as localhost:5570 (default: %(default)s)",
    )


def _endpoint(text: str) -> str:
    try:
        return as_endpoint(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """Of the parser, and of its commands."""
    words: list[str] = []
    for action in parser._actions:
        words += [word for word in action.option_strings if word.startswith("--")]
        if isinstance(action, argparse._SubParsersAction):
            words += [word for sub in action.choices.values() for word in _options(sub)]
    return words


def _unknown(word: str, known: list[str]) -> str:
    if word.startswith("-"):
        return f"unknown option '{word}'{nearest(word.partition('=')[0], known)}"
    return f"cannot use '{word}': it is one too many"
