"""From a name in the table, or a dotted ``"module:Class"``, to a working encoder."""

from __future__ import annotations

import importlib
from typing import Any

from bindstream.errors import ConfigError
from encoders import ENCODERS
from encoders.encoder import Encoder


def load_encoder(name: str, weights: str | None, **options: Any) -> Encoder:
    """Import the class and construct it. Raises ConfigError for a name that leads nowhere."""
    target = ENCODERS.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        known = ", ".join(sorted(ENCODERS))
        raise ConfigError(f"unknown encoder '{name}'; known: {known}, or 'package.module:Class'")
    try:
        encoder_class = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"encoder '{name}': {error}") from error
    encoder: Encoder = encoder_class(weights, **options)
    return encoder
