"""ImageBind as an encoder: weights, front ends, tokenizer and fast path put together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from bindstream.errors import InvalidInput, WeightsError
from bindstream.types import Modality, Vector, Window
from encoders.imagebind import frontends
from encoders.imagebind.accepted import Accepted
from encoders.imagebind.front_end_formats import FrontEnds
from encoders.imagebind.inputs import Inputs
from encoders.imagebind.offer import lacking, offer
from encoders.imagebind.tokenizer import tokenizer_for
from encoders.imagebind.towers import Towers
from encoders.weights import integrity
from encoders.weights.card import Card, read_card
from encoders.weights.fingerprint import file_sha256
from encoders.weights.load import space_id

_log = logging.getLogger(__name__)


class ImageBindEncoder:
    """Any file of ImageBind's structure: the official one, the shipped small one, a bound one.

    ``weights``: a path or a name (None: the shipped ``bindstream_tiny``). ``modalities`` None: all
    that the file holds, each loaded when it is first asked for (``prepare``); text only where its
    vocabulary is here. Named ones are loaded at once. ``max_batch``: the most windows
    that will come at once. ``front_ends`` overrides single numbers of the file's own:
    ``{"depth": {"scale": 1.0}}``. ``steady``: nothing is timed at the start, so that every start on
    this machine computes the same bits; in batches of one, that is, since a sum's order may hang on
    the batch. Raises WeightsError, ConfigError (device, dtype) or MissingExtra
    (text was asked for, without CLIP's vocabulary).
    """

    offer = staticmethod(offer)

    def __init__(
        self,
        weights: str | None = None,
        *,
        modalities: Iterable[Modality] | None = None,
        device: str = "auto",
        dtype: str = "auto",
        max_batch: int = 32,
        front_ends: Mapping[str, Mapping[str, Any]] | None = None,
        steady: bool = False,
    ) -> None:
        card = read_card(weights)
        integrity.verify(card)  # before anything that only sound weights need is missed
        self.card = card
        self.windows = card.windows
        self.modalities = _chosen(card, modalities)
        self.dim = card.dim
        self._tokenize = (
            tokenizer_for(card.vocabulary, card.config.context_length)
            if Modality.TEXT in self.modalities
            else None
        )
        self._towers = Towers(card, self.modalities, device, dtype, max_batch, steady=steady)
        self.space_id = space_id(card)
        self._sha256 = file_sha256(card.path)
        if modalities is not None:
            self._towers.load(self.modalities)
        choice = self._towers.choice
        self.encoder_id = self._identity()
        self._accepted = Accepted(card)
        self._inputs = Inputs(card, FrontEnds.of(card.front_ends, front_ends), choice.device)

    def prepare(self, modality: Modality) -> None:
        """Load what a modality needs, if it is not loaded yet. Raises WeightsError where it cannot
        be used on this machine; says nothing of a modality that it does not have."""
        if modality in self.modalities:
            self._towers.load([modality])
            self.encoder_id = self._identity()

    def encode(self, windows: list[Window]) -> Vector:
        """Windows, all of one modality -> (B, dim) float32, unit norm each.

        A window that cannot be encoded (not finite, another shape) gets a row of NaN and one
        line in the log; its neighbours get their right vectors. Raises InvalidInput for a
        modality that was not loaded, and for a batch of several.
        """
        out = np.full((len(windows), self.dim), np.nan, dtype=np.float32)
        if not windows:
            return out
        modality = self._one_modality(windows)
        good = [n for n, window in enumerate(windows) if self._usable(window)]
        if good:
            x = self._inputs.tensor(modality, [windows[n] for n in good])
            out[good] = self.encode_input(modality, x)
        return out

    def fault(self, window: Window) -> str | None:
        """Why a window cannot be encoded, in words; None where it can."""
        if window.modality not in self.modalities:
            return f"these weights hold no {window.modality}"
        return self._accepted.fault(window)

    def encode_text(self, texts: list[str], _modality: Modality | None = None) -> Vector:
        """Words -> (B, dim) float32, unit norm each, the same for every modality. A word that the
        weights never saw is named in the log. Raises InvalidInput without a text tower."""
        if self._tokenize is None:
            raise InvalidInput(f"text: this encoder has only {', '.join(sorted(self.modalities))}")
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        ids = self._tokenize(texts)
        for text in texts:
            if unknown := self._tokenize.unknown(text):
                _log.warning("'%.80s': unknown to these weights: %.200s", text, ", ".join(unknown))
        return self.encode_input(Modality.TEXT, ids)

    def encode_input(self, modality: Modality, x: Tensor) -> Vector:
        """The model's own input without a clip axis -> (N, dim) float32, unit norm each."""
        vectors: Vector = self._towers(modality, x).numpy()
        return vectors

    def check(self) -> None:
        """Raises where the device no longer computes what it computed at start."""
        self._towers.check()

    def logit_scale(self, modality: Modality) -> float:
        """What the reference multiplies a modality's unit vectors by (1 for vision)."""
        return self._towers.logit_scale(modality)

    def _identity(self) -> str:
        """The number format is known for certain once a tower proved it."""
        return f"{self._sha256[:12]}/{frontends.VERSION}/{self._towers.choice.dtype_name}"

    def _one_modality(self, windows: list[Window]) -> Modality:
        kinds = {window.modality for window in windows}
        if len(kinds) > 1:
            raise InvalidInput(f"a batch is of one modality, got {', '.join(sorted(kinds))}")
        (modality,) = kinds
        if modality not in self.modalities or modality is Modality.TEXT:
            held = ", ".join(sorted(self.modalities - {Modality.TEXT}))
            raise InvalidInput(
                f"stream '{windows[0].stream}': this encoder has {held}, got {modality}"
            )
        return modality

    def _usable(self, window: Window) -> bool:
        fault = self._accepted.fault(window)
        if fault:
            _log.warning("stream '%s' seq %d: not encoded: %s", window.stream, window.seq, fault)
        return fault is None


def _chosen(card: Card, modalities: Iterable[Modality] | None) -> frozenset[Modality]:
    if modalities is None:
        lacks = lacking(card)
        for modality, reason in lacks.items():
            _log.warning("%s: loaded without %s: %s", card.path, modality, reason)
        return card.modalities - lacks.keys()
    chosen = frozenset(Modality(m) for m in modalities)
    if not chosen <= card.modalities:
        absent = ", ".join(sorted(chosen - card.modalities))
        raise WeightsError(
            f"{card.path}: holds no {absent}; it has {', '.join(sorted(card.modalities))}"
        )
    return chosen
