"""What the configured encoders offer, and whether that is what the robot needs of them."""

from __future__ import annotations

from collections.abc import Iterator

from bindstream.errors import BindstreamError, ConfigError
from bindstream.types import Modality
from deploy.config import AppArgs, EncoderArgs
from encoders.offer import Offer, offer_of


def offered(encoder: EncoderArgs) -> Offer:
    """Raises ConfigError, naming the encoder, for one that could not be constructed."""
    try:
        return offer_of(encoder.kind, encoder.weights, encoder.options)
    except BindstreamError as error:
        raise ConfigError(f"encoder '{encoder.name}': {error}") from error


def speaker(args: AppArgs) -> EncoderArgs | None:
    """The encoder that is asked for words: the first that has them; None where none has.

    Raises ConfigError for one that could not be constructed.
    """
    return next((e for e in args.encoders if Modality.TEXT in _given(e, offered(e))), None)


def needed(args: AppArgs, encoder: EncoderArgs) -> frozenset[Modality]:
    """What a robot asks of an encoder: as configured, else its streams', and text for labels."""
    if encoder.modalities is not None:
        return frozenset(encoder.modalities)
    streams = {s.modality for s in args.streams if args.encoder_of(s.modality) is encoder}
    words = {Modality.TEXT} if args.labels and speaker(args) is encoder else set()
    return frozenset(streams | words)


def complaints(args: AppArgs) -> Iterator[str]:
    """One line for each thing that an encoder is asked for and cannot do, and for the labels."""
    for encoder in args.encoders:
        try:
            offer = offered(encoder)
            yield from _unfit(args, encoder, offer)
            offer.verify()
        except ConfigError as error:
            yield str(error)
        except BindstreamError as error:
            yield f"encoder '{encoder.name}': {error}"
    try:
        if args.labels and speaker(args) is None:
            yield _speechless(args)
    except ConfigError:
        pass  # said above


def _unfit(args: AppArgs, encoder: EncoderArgs, offer: Offer) -> Iterator[str]:
    if offer.modalities is not None and encoder.modalities is not None:
        absent = frozenset(encoder.modalities) - offer.modalities
        if absent:
            yield (
                f"encoder '{encoder.name}': modalities asks for {_listed(absent)}, but"
                f" {encoder.weights} ({encoder.kind}) holds {_listed(offer.modalities)}"
            )
    for modality, reason in offer.lacks.items():
        if modality in needed(args, encoder):
            yield f"encoder '{encoder.name}': {reason}"


def _speechless(args: AppArgs) -> str:
    names = ", ".join(f"'{name}'" for name in args.labels)
    encoders = "; ".join(f"'{e.name}' has {_listed(_given(e, offered(e)))}" for e in args.encoders)
    return (
        f"labels: {names}: no encoder here knows words ({encoders}): give one with 'text', or"
        " leave 'labels' out"
    )


def _given(encoder: EncoderArgs, offer: Offer) -> frozenset[Modality]:
    """What an encoder will have: all that it may, where it does not say."""
    held = frozenset(Modality) if offer.modalities is None else offer.modalities
    return held if encoder.modalities is None else held & frozenset(encoder.modalities)


def _listed(modalities: frozenset[Modality]) -> str:
    return ", ".join(sorted(modalities)) or "nothing"
