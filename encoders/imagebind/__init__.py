"""ImageBind (Girdhar et al., CVPR 2023): the model, its front ends, its fast paths.

``load`` and ``ImageBind`` are imported when they are asked for: reading a configuration or a card
needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from encoders.imagebind.model import ImageBind as ImageBind
    from encoders.weights.load import load as load

__all__ = ["ImageBind", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from encoders.weights import load as reader

        return reader.load
    if name == "ImageBind":
        from encoders.imagebind import model

        return model.ImageBind
    raise AttributeError(f"module 'encoders.imagebind' has no attribute '{name}'")
