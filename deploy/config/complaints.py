"""What is wrong with a configuration: a line per mistake, the key and the nearest right one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from yaml.reader import ReaderError

from bindstream.command.nearest import did_you_mean, nearest

_PYTHONIC = re.compile(r"dictionary( or instance of \w+)?")


def unknown_keys(place: str, found: Any, known: set[str]) -> list[str]:
    """One line per key of a map that is not known; or that it is no map."""
    if not isinstance(found, Mapping):
        return [f"'{place or 'the file'}' must be a map, got {_shown(found)}"]
    prefix = f"{place}." if place else ""
    return [
        f"unknown key '{prefix}{key}'{nearest(str(key), known)}"
        for key in found
        if key not in known
    ]


def not_yaml(content: bytes, error: Exception) -> str:
    """Where a file stops being YAML, and why."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = ""
    if mark is not None:
        place = f"line {mark.line + 1}, column {mark.column + 1}: "
    elif isinstance(error, ReaderError):
        line = content[: error.position].count(b"\n") + 1
        place = f"line {line}: "
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    hint = "; YAML indents with spaces, not with tabs" if "'\\t'" in problem else ""
    return f"{place}cannot be read as YAML: {' '.join(problem.split())}{hint}"


def complaints(error: ValidationError, models: Mapping[str, type[BaseModel]]) -> list[str]:
    """One line per mistake that pydantic found.

    ``models``: which model stands under a top-level key, or under one of its keys (``a.b``); "" is
    the top itself.
    """
    lines = [_complaint([str(p) for p in item["loc"]], item, models) for item in error.errors()]
    return list(dict.fromkeys(lines))


def _complaint(place: list[str], item: Any, models: Mapping[str, type[BaseModel]]) -> str:
    key = ".".join(place) or "args"
    if item["type"] == "extra_forbidden":
        at = ".".join(place[:-1])
        model = models.get(at, models.get(place[0] if at else ""))
        if model is None:  # of Serve's own, deeper down
            return f"unknown key '{key}'"
        known = set(model.model_fields)
        if "driver" in known and not did_you_mean(place[-1], known):
            return f"unknown key '{key}'; if it is the driver's, it belongs under its 'options'"
        return f"unknown key '{key}'{nearest(place[-1], known)}"
    if item["type"] == "missing":
        return f"'{key}' is missing"
    if item["type"] == "string_pattern_mismatch":
        return f"{key}: wants 1 to 64 of a-z, 0-9, '_' and '-' (got {_shown(item['input'])})"
    message = _PYTHONIC.sub("map", item["msg"].removeprefix("Value error, "))
    if item["type"] == "value_error":  # ours: it says what came
        return f"{key}: {message}"
    return f"{key}: {message} (got {_shown(item['input'])})"


def _shown(value: Any) -> str:
    """Short: a whole map in an error helps nobody."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    return repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}..."
