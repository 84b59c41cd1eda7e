"""What is wrong with a configuration: a line per mistake, the key and the nearest right one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from deploy.nearest import nearest

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


def complaints(error: ValidationError, models: Mapping[str, type[BaseModel]]) -> list[str]:
    """One line per mistake that pydantic found.

    ``models``: which model stands under a top-level key; "" is the top itself.
    """
    lines = [_complaint([str(p) for p in item["loc"]], item, models) for item in error.errors()]
    return list(dict.fromkeys(lines))


def _complaint(place: list[str], item: Any, models: Mapping[str, type[BaseModel]]) -> str:
    key = ".".join(place) or "args"
    if item["type"] == "extra_forbidden":
        model = models[place[0] if len(place) > 1 else ""]
        return f"unknown key '{key}'{nearest(place[-1], set(model.model_fields))}"
    if item["type"] == "missing":
        return f"'{key}' is missing"
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
