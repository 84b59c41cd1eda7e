"""What an encoder's answer says of the windows that one stream is to cut. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bindstream.errors import InvalidInput
from pipeline.plan import StreamPlan


@dataclass(frozen=True, slots=True)
class Format:
    """Length in seconds, and frames in it (0: not made of frames)."""

    length_s: float
    frames: int


def format_of(told: Mapping[str, Any], plan: StreamPlan) -> Format:
    """``describe`` of an encoder -> the windows of a stream.

    A single frame is looked for in the last hop. Raises InvalidInput when the encoder does not take
    the modality, or other windows than those configured.
    """
    name = plan.modality.value
    if name not in told["windows"]:
        raise InvalidInput(
            f"its encoder takes no {name}, only {', '.join(sorted(told['windows'])) or 'words'}"
        )
    length_s, frames = told["windows"][name]
    length_s = plan.hop_s if length_s is None else float(length_s)
    if plan.length_s is not None and abs(plan.length_s - length_s) > 1e-6:
        raise InvalidInput(
            f"length_s is {plan.length_s:g}, but its encoder takes {length_s:g} s of {name}: "
            "leave length_s out"
        )
    return Format(length_s, int(frames))
