"""A model's towers on the fastest path of this machine, and the proof that they compute the same.

Chosen once at start by a short measurement (`runtime_choice`) and said in one log line. Each
modality's path is then compared with the plain float32 model on two inputs (`self_test`). One
that differs makes way for the next; where none is left, the encoder refuses to serve.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders.imagebind import runtime_cuda
from encoders.imagebind.model import ImageBind
from encoders.imagebind.runtime_choice import (
    Candidate,
    Choice,
    Figures,
    choose,
    cpu_tower,
    formats_by_speed,
    measured,
    paths_by_speed,
)
from encoders.imagebind.runtime_parts import PlainTower, Tower, part_of
from encoders.imagebind.self_test import SelfTest, example

__all__ = ["Choice", "Runtime", "choose"]
_log = logging.getLogger(__name__)


class Runtime:
    """All modalities of a model. The model itself may be dropped afterwards.

    ``max_batch`` is the largest batch that will usually come: a GPU's graphs are recorded up to it.
    ``steady``: the preferred path that agrees, not the fastest, so that two starts take the same.
    Raises WeightsError where no path agrees with the plain model, ConfigError for a device or
    dtype that is not there.
    """

    def __init__(
        self,
        model: ImageBind,
        device: str = "auto",
        dtype: str = "auto",
        max_batch: int = 32,
        *,
        steady: bool = False,
    ) -> None:
        parameters = sum(p.numel() for p in model.parameters())
        choice = choose(device, dtype, parameters)
        self.logit_scales = {m: model.logit_scale(m) for m in model.modalities}
        with torch.inference_mode():
            figures = {
                m: measured(model, m, choice, dtype, steady=steady) for m in model.modalities
            }
            towers = _Builder(model, choice.device, max_batch).first_that_agree(figures)
        self.choice = Choice(choice.device, next(iter(towers.values())).candidate.dtype)
        self.paths = {m: proven.candidate.path for m, proven in towers.items()}
        self._towers = {m: proven.tower for m, proven in towers.items()}
        self._witness = _Witness(model, self._towers)
        _log.info("encoder path: %s: %s", self.choice, _said(towers, figures))

    def __call__(self, modality: Modality, x: Tensor) -> Tensor:
        """Model input without a clip axis -> unit vectors float32 [N, E] on the CPU."""
        with torch.inference_mode():
            return self._towers[modality](x).cpu()

    def check(self) -> None:
        """Encode once more what was encoded at start. Raises WeightsError where it differs, and
        whatever a device that has failed raises (RuntimeError)."""
        self._witness.check()


@dataclass(frozen=True, slots=True)
class _Proven:
    """A tower, what it is, and its cosine with the plain model."""

    tower: Tower
    candidate: Candidate
    cosine: float


class _Witness:
    """The cheapest modality's input and vector at start."""

    def __init__(self, model: ImageBind, towers: dict[Modality, Tower]) -> None:
        self.modality = min(model.modalities, key=lambda m: _cost(model, m))
        self._tower = towers[self.modality]
        self._x = example(model.config, self.modality)
        self._wanted = self._vector()

    def check(self) -> None:
        got = self._vector()
        if not torch.allclose(got, self._wanted, atol=1e-3):
            raise WeightsError(f"{self.modality}: the device no longer gives what it gave at start")

    def _vector(self) -> Tensor:
        with torch.inference_mode():
            return self._tower(self._x).cpu()


class _Builder:
    """Makes and proves a model's towers on one device."""

    def __init__(self, model: ImageBind, device: torch.device, max_batch: int) -> None:
        self.model, self.device = model, device
        self._sizes = runtime_cuda.recorded_sizes(max_batch)

    def first_that_agree(self, figures: dict[Modality, Figures]) -> dict[Modality, _Proven]:
        """All modalities in the fastest number format in which each passes."""
        formats = formats_by_speed(figures)
        if not formats:
            raise WeightsError(
                "no path of this machine gives the plain float32 model's vectors:"
                " set the encoder's dtype to float32, and please report it"
            )
        for dtype in formats[:-1]:
            try:
                return self._all_in(dtype, figures)
            except WeightsError as error:
                _log.warning("%s is left out: %s", dtype, error)
        return self._all_in(formats[-1], figures)

    def _all_in(
        self, dtype: torch.dtype, figures: dict[Modality, Figures]
    ) -> dict[Modality, _Proven]:
        return {m: self._fastest(m, paths_by_speed(figures[m], dtype)) for m in figures}

    def _fastest(self, modality: Modality, able: list[Candidate]) -> _Proven:
        plain = part_of(self.model, modality, torch.device("cpu"), torch.float32)
        test = SelfTest(plain, modality)
        *others, last = able
        for candidate in others:
            try:
                return self._proven(modality, candidate, test)
            except (WeightsError, RuntimeError) as error:  # a GPU may refuse to record
                _log.warning("encoder path %s is left out: %s", candidate, error)
        return self._proven(modality, last, test)

    def _proven(self, modality: Modality, candidate: Candidate, test: SelfTest) -> _Proven:
        tower = self._built(modality, candidate)
        return _Proven(tower, candidate, test.cosine(tower, _batches(tower)))

    def _built(self, modality: Modality, candidate: Candidate) -> Tower:
        if self.device.type == "cpu":
            return cpu_tower(self.model, modality, candidate)
        part = part_of(self.model, modality, self.device, candidate.dtype)
        if candidate.path == "plain":
            return PlainTower(part, modality)
        recorded = example(self.model.config, modality)
        return runtime_cuda.GraphTower(part, modality, recorded, self._sizes)


def _cost(model: ImageBind, modality: Modality) -> int:
    dim, blocks, _ = model.config.trunk(modality)
    return dim * dim * blocks * model.config.tokens(modality)


def _batches(tower: Tower) -> tuple[int, ...]:
    """Each recording is a graph of its own, and proven on its own."""
    return tower.batches if isinstance(tower, runtime_cuda.GraphTower) else (1,)


def _said(towers: dict[Modality, _Proven], figures: dict[Modality, Figures]) -> str:
    paths = ", ".join(
        f"{m} {proven.candidate.path}{_timed(figures[m])}" for m, proven in towers.items()
    )
    cosines = ", ".join(f"{m} {proven.cosine:.5f}" for m, proven in towers.items())
    return f"{paths}; cosine with plain float32: {cosines}"


def _timed(figures: Figures) -> str:
    if not any(figures.values()):
        return ""
    return " (" + ", ".join(f"{c} {ms:.2f}" for c, ms in figures.items()) + " ms)"
