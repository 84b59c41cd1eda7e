"""One modality cut out of a model, and the plain path that runs it as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bindstream.types import Modality
from encoders.imagebind.model import ImageBind
from encoders.weights.load import to_dtype

Tower = Callable[[Tensor], Tensor]
"""Model input without a clip axis -> unit vectors float32 [N, E]."""


def part_of(
    model: ImageBind,
    modality: Modality,
    device: torch.device,
    dtype: torch.dtype,
    blocks: int | None = None,
) -> ImageBind:
    """A copy of one modality, on a device, in a dtype; shares memory where nothing changes.

    ``blocks``: only the first so many of its trunk, to measure with.
    """
    depth = model.config.trunk(modality).blocks
    count = depth if blocks is None else min(blocks, depth)
    shorter: dict[str, Any] = {f"{modality}_num_blocks": count}
    config = replace(model.config, **shorter)
    with torch.device("meta"):
        part = ImageBind(config, [modality])
    wanted = part.state_dict().keys()
    state = {k: v.to(device) for k, v in model.state_dict().items() if k in wanted}
    part.load_state_dict(state, assign=True)
    return to_dtype(part, dtype).eval().requires_grad_(False)


class PlainTower:
    """One modality in plain PyTorch; ``part`` holds it alone, on its device, in its dtype."""

    def __init__(self, part: ImageBind, modality: Modality) -> None:
        self.part, self.modality = part, modality
        self.device = next(part.parameters()).device

    def __call__(self, x: Tensor) -> Tensor:
        """Model input without a clip axis -> unit vectors float32 [N, E]."""
        features = self.part.features(self.modality, x.to(self.device))
        return F.normalize(features.float(), dim=-1)
