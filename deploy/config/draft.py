"""A configuration of what was found on a machine, with comments: text that `check` accepts. Pure.

Everything but the streams is the shipped file's, with its comments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bindstream.types import Modality

WEIGHTS = """\
    # These small weights were trained on the simulated world: of real sensors they say little. For
    # those: bindstream weights fetch imagebind_huge (4.8 GB), then weights: imagebind_huge
"""
_STREAMS = re.compile(r"^  - \{name: .*?(?=^  - name: robot$)", re.M | re.S)
_HEAD = re.compile(r"\A(#[^\n]*\n)+")
_EXPECT = re.compile(r"expect: \[[^\]]*\]")
_WEIGHTS_AT = re.compile(r"^(?=    args: \{kind: imagebind)", re.M)


@dataclass(frozen=True, slots=True)
class Finding:
    """One sensor. ``about``: what it is; ``gives``: what came of it when it was opened; ``fault``:
    why it is written as a comment instead."""

    name: str
    modality: Modality
    driver: str
    options: dict[str, Any] = field(default_factory=dict)
    about: str = ""
    gives: str = ""
    fault: str = ""


def drafted(shipped: str, findings: Sequence[Finding], command: str) -> str:
    """The file. ``shipped``: the text of the shipped one. Without a finding that works its streams
    stay, which are the simulated robot's."""
    working = [one for one in findings if not one.fault]
    text = _HEAD.sub("", shipped, count=1)
    if not working:
        told = [line for one in findings for line in _commented(one)]
        return "\n".join([*_head(command, simulated=True), *told, text.lstrip("\n")])
    streams = "\n".join(line for one in findings for line in _entry(one))
    text = _replaced(_STREAMS, f"{streams}\n\n", text)
    text = _replaced(_EXPECT, f"expect: [{', '.join(one.name for one in working)}]", text)
    text = _replaced(_WEIGHTS_AT, WEIGHTS, text)
    return "\n".join([*_head(command, simulated=False), text.lstrip("\n")])


def named(base: str, taken: Iterable[str]) -> str:
    """A stream's name that nobody has: ``front``, ``front2``, ..."""
    names = set(taken)
    if base not in names:
        return base
    return next(f"{base}{n}" for n in range(2, len(names) + 3) if f"{base}{n}" not in names)


def _head(command: str, *, simulated: bool) -> list[str]:
    what = (
        "No sensor was found that works: this is the simulated robot."
        if simulated
        else "What was found on this machine; what was found and does not work is a comment."
    )
    return [
        f"# Written by `{command}`. {what}",
        "#   bindstream check THIS          opens each sensor once, says in one line what is wrong",
        "#   bindstream look STREAM THIS    what one sensor gives",
        "#   bindstream run THIS            everything on this machine, with a live table",
        "# Options of every driver: docs/sensors.md",
    ]


def _entry(one: Finding) -> list[str]:
    if one.fault:
        return _commented(one)
    said = "; ".join(filter(None, (one.about, one.gives)))
    return [*([f"  # {said}"] if said else []), *_lines(one)]


def _commented(one: Finding) -> list[str]:
    said = "; ".join(filter(None, (one.about, _plain(one.fault))))
    return [f"  # {said}", *(f"  # {line.strip()}" for line in _lines(one))]


def _lines(one: Finding) -> list[str]:
    args: dict[str, Any] = {"name": one.name, "modality": str(one.modality), "driver": one.driver}
    if one.options:
        args["options"] = one.options
    name = f'{{name: {one.name}, route_prefix: null, import_path: "deploy.app:stream",'
    return [f"  - {name}", f"     args: {_flow(args)}}}"]


def _flow(value: Any) -> str:
    """YAML on one line; words in quotes unless they are plain."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_]*", value) and value not in _FLAGS:
        return value
    return json.dumps(value, ensure_ascii=False)


_FLAGS = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}


def _plain(words: str) -> str:
    return " ".join(words.split())


def _replaced(pattern: re.Pattern[str], text: str, whole: str) -> str:
    made, count = pattern.subn(lambda _: text, whole, count=1)
    if not count:  # the shipped file is another than this was written for: a fault of ours
        raise RuntimeError(f"the shipped configuration has no {pattern.pattern!r}")
    return made
