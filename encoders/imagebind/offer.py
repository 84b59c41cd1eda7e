"""What an ImageBind encoder offers, from its weights' header alone. No torch here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bindstream.errors import BindstreamError, ConfigError, WeightsError
from bindstream.types import Modality
from encoders.imagebind import vocabulary
from encoders.imagebind.front_end_formats import FrontEnds
from encoders.offer import Offer
from encoders.weights import integrity
from encoders.weights.card import Card, read_card
from encoders.weights.fingerprint import remembered

_LOAD = """
import sys
from pathlib import Path
from bindstream.errors import WeightsError
from encoders.weights.load import load_model
try:
    load_model(Path(sys.argv[1]))
except WeightsError as error:
    sys.exit(print(error) or 1)
"""


def offer(
    weights: str | None = None,
    *,
    front_ends: Mapping[str, Mapping[str, Any]] | None = None,
    steady: bool = False,
) -> Offer:
    """Raises WeightsError: no such file, not of a model we know, no such front end setting;
    ConfigError where ``steady`` is no flag."""
    if not isinstance(steady, bool):
        raise ConfigError(f"steady: wanted true or false, got {steady!r:.80}")
    card = read_card(weights)
    formats = FrontEnds.of(card.front_ends, front_ends)
    return Offer(
        modalities=card.modalities,
        windows=card.windows,
        lacks=lacking(card),
        verify=partial(_verify, card),
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


def _verify(card: Card) -> None:
    """Raises WeightsError for bytes that changed, and for keys and shapes that make no model:
    a file of ours was written from one, another is looked through once."""
    integrity.verify(card)
    if not integrity.carries_hash(card.path):
        remembered(card.path, "whole", lambda: _whole(card.path))


def _whole(path: Path) -> str:
    """Loaded in a process of its own: torch has no place in the one that asks."""
    command = [sys.executable, "-c", _LOAD, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stdout or done.stderr).strip().rpartition("\n")[2]
        raise WeightsError(last if last.startswith(str(path)) else f"{path}: not loaded: {last}")
    return "whole"
