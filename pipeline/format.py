"""What an encoder's answer says of the windows that one stream is to cut. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bindstream.errors import InvalidInput
from bindstream.formats import WindowFormat, from_plain
from pipeline.plan import StreamPlan
from pipeline.windows.windower import length_of


def format_of(told: Mapping[str, Any], plan: StreamPlan) -> WindowFormat:
    """``describe`` of an encoder -> the windows of a stream.

    Raises InvalidInput when the encoder does not take the modality, says what is no format, or
    takes other windows than those configured.
    """
    formats = from_plain(told.get("formats"))
    form = formats.get(plan.modality)
    if form is None:
        known = ", ".join(sorted(formats)) or "words"
        raise InvalidInput(f"its encoder takes no {plan.modality}, only {known}")
    length_s = length_of(form, plan.hop_s)
    if plan.length_s is not None and abs(plan.length_s - length_s) > 1e-6:
        raise InvalidInput(
            f"length_s is {plan.length_s:g}, but its encoder takes {length_s:g} s of "
            f"{plan.modality}: leave length_s out"
        )
    return form
