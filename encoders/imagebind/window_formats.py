"""The windows that an ImageBind model takes, by what its card says of them. No torch here.

The card says lengths and frames; the rest is how these front ends were made (facebookresearch/
ImageBind, ``data.py``) and holds for every file: pictures of 224 pixels, whatever the tower's own
size, sound of 16 kHz, depth and heat as the camera has them (scaling on the robot would ruin their
edges and holes), and as many steps of IMU as the tower reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bindstream.formats import Frames, Map, Motion, Sound, WindowFormat
from bindstream.types import Modality
from encoders.imagebind.config import ImageBindConfig

PICTURE_PX = 224
RATE_HZ = 16_000
_LENGTH_S = {Modality.VISION: 2.0, Modality.AUDIO: 2.0, Modality.IMU: 5.0}
_FRAMES = 2


def window_format(
    modality: Modality, config: ImageBindConfig, said: Mapping[str, Any] | None = None
) -> WindowFormat:
    """``said``: the card's ``length_s`` and ``frames``, where they are other than usual.

    Raises InvalidInput, TypeError or ValueError for what is no format.
    """
    said = said or {}
    length_s = said.get("length_s", _LENGTH_S.get(modality))
    if modality is Modality.VISION:
        frames = int(said.get("frames", _FRAMES))
        # a stack by the reference's video path, a still picture by its image path
        filter_: Any = "bicubic" if frames == 1 else "bilinear"
        return Frames(frames=frames, length_s=length_s, size_px=PICTURE_PX, filter=filter_)
    if modality is Modality.AUDIO:
        return Sound(length_s=length_s, rate_hz=RATE_HZ)
    if modality is Modality.IMU:
        return Motion(length_s=length_s, steps=config.imu_length)
    return Map()


def said_of(form: WindowFormat) -> dict[str, Any]:
    """What a card says of it."""
    frames = {Frames: getattr(form, "frames", 1), Map: 1}.get(type(form), 0)
    return {"length_s": form.length_s, "frames": frames}


USUAL: dict[Modality, WindowFormat] = {
    m: window_format(m, ImageBindConfig()) for m in (*_LENGTH_S, Modality.DEPTH, Modality.THERMAL)
}
"""imagebind_huge's, and those of an encoder that does not say."""
