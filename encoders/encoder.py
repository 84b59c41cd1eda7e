"""The contract of an encoder: windows of one modality -> vectors of the joint space."""

from __future__ import annotations

from typing import Protocol

from bindstream.types import Modality, Vector, Window


class Encoder(Protocol):
    """What the replica needs of any encoder.

    Constructed as ``Encoder(weights: str | None, *, modalities, device, dtype)``; construction
    loads, picks the fast path and tests it. ``modalities`` are those it can encode; ``windows``
    (may be left out) maps a modality to the ``bindstream.formats`` that its windows are cut to, one
    that is not there is cut as for ImageBind.

    A class may also say what it is before it is loaded, so that `check` refuses what cannot work:
    ``offer(weights, **options) -> encoders.offer.Offer``, a static or class method that imports
    nothing heavy, and raises as construction would. Without it, class attributes ``modalities`` and
    ``windows`` are believed, and the constructor's signature.

    It may have ``prepare(modality)``, which loads what that modality needs: called in the thread
    that encodes, when a stream starts, and again of no effect. With the class attribute
    ``text_per_modality = True`` a text has a vector for each modality that it may be compared with.
    """

    modalities: frozenset[Modality]
    space_id: str
    encoder_id: str
    dim: int

    def encode(self, windows: list[Window]) -> Vector:
        """Windows, all of one modality -> (B, dim) float32, unit norm each.

        Raises InvalidInput for a modality it does not have. A window whose data is not finite
        gets a row of NaN, its neighbours their right vectors.
        """

    def encode_text(self, texts: list[str], modality: Modality | None = None, /) -> Vector:
        """Words -> (B, dim) float32, unit norm each, to be compared with vectors of ``modality``.

        Only told where ``text_per_modality`` is True (None: not known); else it may be left out.
        """
