"""What windows a stream's encoder takes, and whether its configuration fits."""

from __future__ import annotations

from bindstream.errors import ConfigError, InvalidInput
from deploy.config.arguments import StreamArgs
from deploy.config.file import Config
from deploy.config.offers import offered
from deploy.config.plans import stream_plan
from encoders.weights.card import USUAL
from pipeline.format import Format, format_of


def window_format(config: Config, stream: StreamArgs) -> Format:
    """What a stream will cut, told before anything is loaded.

    Raises ConfigError when the encoder does not take the modality, or other windows than those
    configured.
    """
    encoder = config.encoders[stream.encoder]
    offer = offered(stream.encoder, encoder)
    held = frozenset(USUAL) if offer.modalities is None else offer.modalities
    windows = {
        m.value: (form.length_s, form.frames)
        for m, form in (USUAL | dict(offer.windows)).items()
        if m in held
    }
    try:
        return format_of({"windows": windows}, stream_plan(stream))
    except InvalidInput as error:
        weights = f" ({encoder.weights})" if encoder.weights else ""
        raise ConfigError(
            f"stream '{stream.name}', encoder '{stream.encoder}'{weights}: {error}"
        ) from error
