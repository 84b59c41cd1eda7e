"""What an ImageBind encoder offers, from its weights' header alone. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bindstream.errors import BindstreamError
from bindstream.types import Modality
from encoders import integrity, vocabulary
from encoders.card import Card, read_card
from encoders.front_end_formats import FrontEnds
from encoders.offer import Offer


def offer(
    weights: str | None = None, *, front_ends: Mapping[str, Mapping[str, Any]] | None = None
) -> Offer:
    """Raises WeightsError: no such file, not of a model we know, no such front end setting."""
    card = read_card(weights)
    formats = FrontEnds.of(card.front_ends, front_ends)
    return Offer(
        modalities=card.modalities,
        windows=card.windows,
        lacks=lacking(card),
        verify=partial(integrity.verify, card),
        torch_device=True,
        dim=card.dim,
        depth=formats.depth,
    )


def lacking(card: Card) -> dict[Modality, str]:
    """Text, where these weights' words need CLIP's vocabulary and it is not here."""
    if Modality.TEXT not in card.modalities or card.vocabulary is not None:
        return {}
    try:
        vocabulary.clip_file()
    except BindstreamError as error:
        return {Modality.TEXT: str(error)}
    return {}
