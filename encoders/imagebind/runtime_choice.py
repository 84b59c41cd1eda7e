"""Which path and which number format, by a short measurement of this model on this machine.

A processor's name does not tell: prepacked oneDNN beats plain PyTorch by a third on one and loses
on another, and bfloat16 is twice as fast as float32 or five times as slow.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from bindstream.errors import ConfigError, WeightsError
from bindstream.types import Modality
from encoders import capability
from encoders.imagebind.model import ImageBind
from encoders.imagebind.runtime_cpu import PackedTower
from encoders.imagebind.runtime_parts import PlainTower, Tower, part_of
from encoders.imagebind.self_test import SelfTest

LARGE = 10_000_000  # parameters from which bfloat16 pays; below, its rounding buys nothing
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_BLOCKS = 2  # of a trunk are measured: all others cost the same again
_WORTH = {"packed": 1.0, "graphs": 1.0, "plain": 1.03}  # equal to the clock: the first
_ROUNDED = 1.2  # how much faster bfloat16 must be before float32 is given up for it
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """Where, and in which number format."""

    device: torch.device
    dtype: torch.dtype

    @property
    def dtype_name(self) -> str:
        """float32 or bfloat16."""
        return _name(self.dtype)

    def __str__(self) -> str:
        threads = f" ({torch.get_num_threads()} threads)" if self.device.type == "cpu" else ""
        return f"{self.dtype_name}, on {self.device}{threads}"


class Candidate(NamedTuple):
    """``path``: packed (oneDNN), graphs (CUDA) or plain (anything)."""

    path: str
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.path} {_name(self.dtype)}"


Figures = dict[Candidate, float]
"""Milliseconds of CPU for one window by a tower's first blocks; 0 where nothing was measured."""


def choose(device: str, dtype: str, parameters: int) -> Choice:
    """``device``: auto, cpu, cuda, cuda:1...; ``dtype``: auto, float32, bfloat16.

    auto takes a GPU where there is one, and bfloat16 where a product in it proves faster and the
    model is large enough to gain. Raises ConfigError for a device or dtype that is not there.
    """
    if dtype != "auto" and dtype not in _DTYPES:
        raise ConfigError(f"encoder dtype '{dtype}': wants auto, {' or '.join(_DTYPES)}")
    where = capability.device(device)
    if dtype == "float32" or (dtype == "auto" and parameters < LARGE):
        return Choice(where, torch.float32)
    pays = capability.bfloat16_pays(where)
    if dtype == "bfloat16" and not pays:
        _log.warning("bfloat16 is emulated on %s: float32 would be faster", where)
    return Choice(where, torch.bfloat16 if pays or dtype == "bfloat16" else torch.float32)


def candidates(choice: Choice, dtype: str) -> list[Candidate]:
    """What may run, the preferred first. ``dtype`` as configured: auto may fall back to float32."""
    formats = [choice.dtype]
    if dtype == "auto" and choice.dtype != torch.float32:
        formats.append(torch.float32)
    if choice.device.type == "cuda":
        return [Candidate(path, number) for number in formats for path in ("graphs", "plain")]
    if choice.device.type != "cpu":
        return [Candidate("plain", number) for number in formats]
    packed = [Candidate("packed", n) for n in formats if capability.why_not_packed(n) is None]
    return [*packed, *(Candidate("plain", n) for n in formats)]


def measured(
    model: ImageBind, modality: Modality, choice: Choice, dtype: str, *, steady: bool = False
) -> Figures:
    """What each candidate takes for one window. On a CPU the first blocks are run, and a candidate
    that computes something else is left out, with a line in the log; a GPU is not measured, nor is
    anything where the choice is to be ``steady``."""
    able = candidates(choice, dtype)
    if steady or choice.device.type != "cpu" or len(able) == 1:
        return dict.fromkeys(able, 0.0)
    part = part_of(model, modality, choice.device, torch.float32, _BLOCKS)
    test, figures = SelfTest(part, modality), {}
    for candidate in able:
        tower = cpu_tower(part, modality, candidate)
        try:
            test.cosine(tower)
        except WeightsError as error:
            _log.warning("encoder path %s is left out: %s", candidate, error)
            continue
        seconds = capability.least_seconds(partial(tower, test.x[:1]), choice.device, budget_s=0.05)
        figures[candidate] = 1e3 * seconds
    return figures


def cpu_tower(model: ImageBind, modality: Modality, candidate: Candidate) -> Tower:
    """One modality on a path of the CPU."""
    if candidate.path == "packed":
        return PackedTower(model, modality, candidate.dtype)
    return PlainTower(part_of(model, modality, torch.device("cpu"), candidate.dtype), modality)


def formats_by_speed(figures: dict[Modality, Figures]) -> list[torch.dtype]:
    """Number formats that every modality can be run in, the fastest for all together first.

    One format for all: it is part of encoder_id.
    """
    formats = list(dict.fromkeys(c.dtype for each in figures.values() for c in each))
    cost = {f: sum(_least(each, f) for each in figures.values()) for f in formats}
    weighed = {f: c * (_ROUNDED if f == torch.bfloat16 else 1.0) for f, c in cost.items()}
    return sorted((f for f in formats if math.isfinite(cost[f])), key=lambda f: weighed[f])


def paths_by_speed(figures: Figures, dtype: torch.dtype) -> list[Candidate]:
    """One modality's candidates in a number format, the fastest first."""
    able = [c for c in figures if c.dtype == dtype]
    return sorted(able, key=lambda c: figures[c] * _WORTH[c.path])


def _least(figures: Figures, dtype: torch.dtype) -> float:
    return min((ms for c, ms in figures.items() if c.dtype == dtype), default=math.inf)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
