"""What windows the weights want, and whether a stream's configuration fits."""

from __future__ import annotations

from pathlib import Path

from bindstream.errors import ConfigError, WeightsError
from bindstream.types import Modality
from deploy.config import EncoderArgs, StreamArgs
from deploy.offers import offered
from encoders.card import Card, WindowFormat, read_card

USUAL = {
    Modality.VISION: WindowFormat(2.0, 2),
    Modality.AUDIO: WindowFormat(2.0),
    Modality.DEPTH: WindowFormat(None, 1),
    Modality.THERMAL: WindowFormat(None, 1),
    Modality.IMU: WindowFormat(5.0),
}
"""ImageBind's own windows, for encoders whose weights do not say."""


def window_formats(encoder: EncoderArgs, stream: StreamArgs) -> tuple[float, int]:
    """Length in seconds and frames of one stream's windows.

    A single frame is looked for in the last hop. Raises ConfigError when the configured length is
    not what the weights were trained with, or the weights do not hold the modality.
    """
    wanted = _wanted(encoder, stream)
    length_s = wanted.length_s if wanted.length_s is not None else stream.hop
    if stream.length_s is not None and abs(stream.length_s - length_s) > 1e-6:
        raise ConfigError(
            f"stream '{stream.name}': length_s is {stream.length_s:g}, but {encoder.weights} was "
            f"trained with {length_s:g} s windows of {stream.modality}: leave length_s out"
        )
    return length_s, wanted.frames


def _wanted(encoder: EncoderArgs, stream: StreamArgs) -> WindowFormat:
    offer = offered(encoder)
    if offer.modalities is not None and stream.modality not in offer.modalities:
        held = ", ".join(sorted(offer.modalities))
        raise ConfigError(
            f"stream '{stream.name}': {encoder.weights} holds no '{stream.modality}'; it has {held}"
        )
    if stream.modality in offer.windows:
        return offer.windows[stream.modality]
    usual = USUAL[stream.modality]
    return usual if stream.length_s is None else WindowFormat(stream.length_s, usual.frames)


def card_of(encoder: EncoderArgs) -> Card:
    """The card of an ImageBind encoder's weights. Raises ConfigError, naming the encoder."""
    try:
        return read_card(None if encoder.weights is None else Path(encoder.weights))
    except WeightsError as error:
        raise ConfigError(f"encoder '{encoder.name}': {error}") from error
