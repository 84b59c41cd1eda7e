"""``meta.json`` of a folder of paired files: what its files do not say, checked whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bindstream import depth, imu, thermal
from bindstream.command.nearest import nearest
from bindstream.errors import ConfigError
from bindstream.types import Modality

NAME = "meta.json"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: _number(value) and low <= value <= high


def _six(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 6 and all(map(_number, value))


def _count(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _rows(value: Any) -> bool:
    if isinstance(value, list):
        return (
            len(value) == 2
            and all(map(_count, value))
            and None not in value
            and value[0] < value[1]
        )
    return type(value) is int and value > 0


def _columns(value: Any) -> bool:
    strings = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return strings and all(value.count(axis) == 1 for axis in imu.AXES)


_RULES: Mapping[str, Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "depth": {
        "fx_px": (_between(1, 1e5), "a focal length in pixels, 1 to 100000"),
        "baseline_m": (_between(1e-4, 10), "a stereo baseline in metres, 0.0001 to 10"),
        "scale_m": (_between(1e-6, 10), "metres per count, 1e-06 to 10"),
        "invalid": (_count, "the count that means a hole, or null"),
    },
    "thermal": {
        "kelvin_scale": (_between(1e-5, 10), "kelvin per count, 1e-05 to 10"),
        "kelvin_offset": (_between(-1000, 1000), "kelvin to add, -1000 to 1000"),
        "rows": (_rows, "a count of lines, or [first, end]"),
    },
    "imu": {
        "rate_hz": (_between(1, 4000), "readings per second, 1 to 4000"),
        "mean": (_six, "six numbers"),
        "std": (_six, "six numbers"),
        "accel_unit": (lambda v: v in imu.ACCEL_UNITS, " or ".join(imu.ACCEL_UNITS)),
        "gyro_unit": (lambda v: v in imu.GYRO_UNITS, " or ".join(imu.GYRO_UNITS)),
        "columns": (_columns, f"a list that holds {', '.join(imu.AXES)} once each"),
    },
}
"""By modality, the keys as the drivers call them: which values can be, and in words."""


@dataclass(frozen=True, slots=True)
class PairedMeta:
    """``said``: settings by modality, each checked. ``file``: for messages."""

    file: Path
    said: Mapping[str, Mapping[str, Any]]

    def get(self, modality: Modality, key: str, otherwise: Any = None) -> Any:
        """A setting, or ``otherwise``."""
        return self.said.get(str(modality), {}).get(key, otherwise)

    def needed(self, modality: Modality, key: str) -> float:
        """A number that must be there. Raises ConfigError."""
        value = self.get(modality, key)
        if value is None:
            raise ConfigError(f"{self.file}: {modality} wants '{key}'; see docs/bind.md")
        return float(value)

    def rows(self) -> thermal.Rows | None:
        """The lines of a thermal frame that are picture."""
        rows = self.get(Modality.THERMAL, "rows")
        if rows is None:
            return None
        return (0, rows) if isinstance(rows, int) else (rows[0], rows[1])

    def invalid(self) -> int | None:
        """The depth count that means a hole."""
        count: int | None = self.get(Modality.DEPTH, "invalid", depth.INVALID)
        return count


def read(folder: Path) -> PairedMeta:
    """Of a folder; nothing where it has none. Raises ConfigError (file, key, wanted, got)."""
    file = folder / NAME
    if not file.exists():
        return PairedMeta(file, {})
    try:
        said = json.loads(file.read_bytes())
    except Exception as error:  # whatever the bytes are: one line
        raise ConfigError(f"{file}: not JSON ({str(error).splitlines()[0]})") from error
    if not isinstance(said, dict):
        raise ConfigError(f"{file}: wants an object by modality, got {type(said).__name__}")
    for key in said:
        if key not in _RULES:
            raise ConfigError(f"{file}: unknown key '{key:.80}'{nearest(key, set(_RULES))}")
    mine = {kind: said[kind] for kind in _RULES if said.get(kind) is not None}
    for kind, settings in mine.items():
        _check(file, kind, settings)
    return PairedMeta(file, mine)


def _check(file: Path, kind: str, settings: Any) -> None:
    if not isinstance(settings, dict):
        raise ConfigError(f"{file}: {kind} wants an object of settings, got {settings!r:.80}")
    rules = _RULES[kind]
    for key, value in settings.items():
        if key not in rules:
            raise ConfigError(f"{file}: unknown key '{kind}.{key}'{nearest(key, set(rules))}")
        fits, wanted = rules[key]
        if not _fits(fits, value):
            raise ConfigError(f"{file}: {kind}.{key} wants {wanted}, got {value!r:.80}")


def _fits(rule: Callable[[Any], bool], value: Any) -> bool:
    try:
        return rule(value)
    except (TypeError, OverflowError):  # a list as a key, a number too large
        return False
