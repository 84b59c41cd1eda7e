"""What the configured encoders offer, and whether that is what the robots need of them."""

from __future__ import annotations

from collections.abc import Iterator

from bindstream.errors import BindstreamError, ConfigError
from bindstream.types import Modality
from deploy.config.arguments import EncoderArgs
from deploy.config.file import Config, Robot
from encoders.offer import Offer, offer_of


def offered(name: str, encoder: EncoderArgs) -> Offer:
    """Raises ConfigError, naming the encoder, for one that could not be constructed."""
    try:
        return offer_of(encoder.kind, encoder.weights, encoder.options)
    except BindstreamError as error:
        raise ConfigError(f"encoder '{name}': {error}") from error


def needed(config: Config, name: str) -> frozenset[Modality]:
    """What is asked of an encoder: as configured, else its streams', and text for labels."""
    encoder = config.encoders[name]
    if encoder.modalities is not None:
        return frozenset(encoder.modalities)
    streams = {s.modality for s in config.streams if s.encoder == name}
    asked = any(r.live.labels and r.args.encoder == name for r in config.robots)
    return frozenset(streams | ({Modality.TEXT} if asked else set()))


def complaints(config: Config) -> Iterator[str]:
    """One line for each thing that an encoder is asked for and cannot do, and for the labels."""
    for name, encoder in config.encoders.items():
        try:
            offer = offered(name, encoder)
            yield from _unfit(config, name, offer)
            offer.verify()
        except ConfigError as error:
            yield str(error)
        except BindstreamError as error:
            yield f"encoder '{name}': {error}"
    for robot in config.robots:
        if robot.live.labels:
            yield from _speechless(config, robot)


def _unfit(config: Config, name: str, offer: Offer) -> Iterator[str]:
    encoder = config.encoders[name]
    if offer.modalities is not None and encoder.modalities is not None:
        absent = frozenset(encoder.modalities) - offer.modalities
        if absent:
            yield (
                f"encoder '{name}': modalities asks for {_listed(absent)}, but"
                f" {encoder.weights} ({encoder.kind}) holds {_listed(offer.modalities)}"
            )
    for modality, reason in offer.lacks.items():
        if modality in needed(config, name):
            yield f"encoder '{name}': {reason}"


def _speechless(config: Config, robot: Robot) -> Iterator[str]:
    name = robot.args.encoder
    try:
        given = _given(config.encoders[name], offered(name, config.encoders[name]))
    except ConfigError:  # said above
        return
    if Modality.TEXT not in given:
        names = ", ".join(f"'{label}'" for label in robot.live.labels)
        yield (
            f"robot '{robot.name}': labels: {names}: its encoder '{name}' knows no words (it has"
            f" {_listed(given)}): name one with 'text' as the robot's 'encoder', or leave 'labels'"
            " out"
        )


def _given(encoder: EncoderArgs, offer: Offer) -> frozenset[Modality]:
    """What an encoder will have: all that it may, where it does not say."""
    held = frozenset(Modality) if offer.modalities is None else offer.modalities
    return held if encoder.modalities is None else held & frozenset(encoder.modalities)


def _listed(modalities: frozenset[Modality]) -> str:
    return ", ".join(sorted(modalities)) or "nothing"
