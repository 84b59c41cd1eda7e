"""Faults that a world's sensor can be told to have: pure functions of world time.

Options: ``{"gap": {"every_s": 30, "for_s": 2, "at_s": 10}, "jitter": {"ms": 4}, ...}``. A fault
is on while ``(t - at_s) mod every_s < for_s``; without ``every_s`` it is always on.

==========  ====================================================================
gap         nothing is captured
stall       capture goes on, delivery waits; then all that waited comes at once
jitter      stamps are off by up to +-``ms`` (uniform)
clock_step  stamps are off by ``ms``
noise       the data are noisier: ``strength`` x the sensor's typical signal
==========  ====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bindstream.errors import ConfigError
from bindstream.types import Array, Modality
from sensors.options import number, refused
from sensors.world.state import rng

_DEFAULTS = {
    "gap": {"every_s": 30.0, "for_s": 2.0, "at_s": 10.0},
    "stall": {"every_s": 30.0, "for_s": 2.0, "at_s": 10.0},
    "jitter": {"every_s": 0.0, "for_s": 0.0, "at_s": 0.0, "ms": 4.0},
    "clock_step": {"every_s": 60.0, "for_s": 30.0, "at_s": 30.0, "ms": 500.0},
    "noise": {"every_s": 30.0, "for_s": 5.0, "at_s": 10.0, "strength": 0.5},
}
_LIMITS = (-1e6, 1e6)
_SIGNAL = {
    Modality.VISION: 60.0,
    Modality.AUDIO: 0.1,
    Modality.DEPTH: 0.5,
    Modality.THERMAL: 8.0,
    Modality.IMU: 1.0,
}
"""Typical signal per modality, in its own unit."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one stream; see the module for what each does."""

    stream: str
    seed: int
    options: dict[str, dict[str, float]]

    def active(self, name: str, t_s: float) -> bool:
        """Whether that fault is on at world time ``t_s``."""
        fault = self.options.get(name)
        if fault is None:
            return False
        every_s = fault["every_s"]
        return every_s == 0.0 or (t_s - fault["at_s"]) % every_s < fault["for_s"]

    def stamp_ns(self, t_s: float) -> int:
        """How far the stamp of a sample at ``t_s`` is off."""
        off_ms = 0.0
        if self.active("clock_step", t_s):
            off_ms += self.options["clock_step"]["ms"]
        if self.active("jitter", t_s):
            draw = rng("jitter", self.stream, self.seed, round(t_s * 1e5))
            off_ms += float(draw.uniform(-1, 1)) * self.options["jitter"]["ms"]
        return round(off_ms * 1e6)

    def spoil(self, modality: Modality, t_s: float, data: Array) -> Array:
        """The data as the sensor gives them at ``t_s``: the same, or noisier."""
        if not self.active("noise", t_s):
            return data
        draw = rng("noise", self.stream, self.seed, round(t_s * 1e5))
        size = self.options["noise"]["strength"] * _SIGNAL[modality]
        noisy = data + draw.normal(0.0, size, data.shape)
        if modality is Modality.VISION:
            return np.clip(noisy, 0, 255).astype(np.uint8)
        low = 0.0 if modality in (Modality.DEPTH, Modality.THERMAL) else -np.inf
        limit = 1.0 if modality is Modality.AUDIO else np.inf
        return np.clip(noisy, max(low, -limit), limit).astype(np.float32)


def parse(stream: str, seed: int, options: Mapping[str, Mapping[str, Any]] | None) -> Faults:
    """Read a stream's faults. Raises ConfigError naming what is unknown."""
    known: dict[str, dict[str, float]] = {}
    if options is not None and not isinstance(options, Mapping):
        raise refused(stream, "faults", options, "a map, such as {gap: {every_s: 30}}")
    for name, given in (options or {}).items():
        if given is not None and not isinstance(given, Mapping):
            raise refused(stream, f"faults.{name}", given, "a map, such as {every_s: 30}")
        if name not in _DEFAULTS:
            raise ConfigError(
                f"stream '{stream}': fault '{name}' is none of {', '.join(_DEFAULTS)}"
            )
        unknown = set(given or {}) - set(_DEFAULTS[name])
        if unknown:
            raise ConfigError(
                f"stream '{stream}': fault '{name}' has no option '{sorted(unknown)[0]}'; "
                f"it has {', '.join(_DEFAULTS[name])}"
            )
        known[name] = _DEFAULTS[name] | {
            key: number(stream, f"faults.{name}.{key}", value, *_LIMITS)
            for key, value in (given or {}).items()
        }
    return Faults(stream, seed, known)
