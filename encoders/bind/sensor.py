"""Stage 2: a sensor towards frozen image vectors. Pure InfoNCE: no words, no labels.

The image tower is not there any more: its vectors of the paired pictures were computed once,
so that a step costs the sensor's tower alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bindstream.types import Modality
from encoders.bind.pairs import Pairs, mirrored, rolled, shifted
from encoders.bind.train import Batch, Temperature, info_nce
from encoders.bind.words import unit
from encoders.imagebind.model import ImageBind

_MEL_FRAMES = 198  # of 204 columns; the rest is padding (SPEC of the audio front end)


class SensorBatch(NamedTuple):
    """``inputs`` (B, ...) of the sensor; ``targets`` (B, E), the vectors of its pictures."""

    inputs: Tensor
    targets: Tensor


Augment = Callable[[Tensor, torch.Generator], Tensor]


class SensorObjective(nn.Module):
    """One modality of ``model`` towards ``targets`` (N, E), row i being pair i's picture."""

    def __init__(
        self,
        model: ImageBind,
        modality: Modality,
        pairs: Pairs,
        targets: Tensor,
        augment: Augment | None = None,
    ) -> None:
        super().__init__()
        self.model, self.modality = model, modality
        self.temperature = Temperature()
        self._pairs, self._targets = pairs, targets
        self._augment = augment or AUGMENTS[modality]

    def batch(self, rows: Tensor, generator: torch.Generator) -> SensorBatch:
        """Those rows' inputs, augmented, and their targets."""
        inputs = self._augment(self._pairs.rows(self.modality, rows), generator)
        return SensorBatch(inputs, self._targets[rows])

    def encode(self, batch: Batch) -> Batch:
        """Inputs -> unit vectors."""
        return (unit(self.model.features(self.modality, batch[0])),)

    def loss(self, vectors: Batch, batch: Batch) -> Tensor:
        """Symmetric InfoNCE."""
        return info_nce(vectors[0], batch[1], self.temperature())


def _picture(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirrored or not, moved a little. Heat and depth know no left turn from a right one."""
    flip = torch.rand(len(x), generator=generator) < 0.5
    return shifted(mirrored(x, flip), 3, generator, axes=(-2, -1))


def _sound(x: Tensor, generator: torch.Generator) -> Tensor:
    """Turned round in time: a window starts anywhere."""
    return rolled(x, generator, _MEL_FRAMES)


def _shake(x: Tensor, generator: torch.Generator) -> Tensor:
    return rolled(x, generator, x.shape[-1])


AUGMENTS: dict[Modality, Augment] = {
    Modality.AUDIO: _sound,
    Modality.DEPTH: _picture,
    Modality.THERMAL: _picture,
    Modality.IMU: _shake,
}
