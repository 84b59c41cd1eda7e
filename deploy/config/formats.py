"""What windows a stream's encoder takes, and whether its configuration fits."""

from __future__ import annotations

from bindstream.errors import ConfigError, InvalidInput
from bindstream.formats import WindowFormat, to_plain
from deploy.config.arguments import StreamArgs
from deploy.config.file import Config
from deploy.config.offers import offered
from deploy.config.plans import stream_plan
from pipeline.format import format_of


def window_format(config: Config, stream: StreamArgs) -> WindowFormat:
    """What a stream will cut, told before anything is loaded.

    Raises ConfigError when the encoder does not take the modality, or other windows than those
    configured.
    """
    encoder = config.encoders[stream.encoder]
    offer = offered(stream.encoder, encoder)
    try:
        return format_of({"formats": to_plain(offer.formats())}, stream_plan(stream))
    except InvalidInput as error:
        weights = f" ({encoder.weights})" if encoder.weights else ""
        raise ConfigError(
            f"stream '{stream.name}', encoder '{stream.encoder}'{weights}: {error}"
        ) from error
