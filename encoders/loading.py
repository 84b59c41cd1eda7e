"""From a name in the table, or a dotted ``"module:Class"``, to a working encoder."""

from __future__ import annotations

import importlib
from typing import Any

from bindstream.errors import ConfigError
from encoders import ENCODERS
from encoders.encoder import Encoder


def load_encoder(name: str, weights: str | None, **options: Any) -> Encoder:
    """Import the class and construct it. Raises ConfigError for an unknown name."""
    target = ENCODERS.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        known = ", ".join(sorted(ENCODERS))
        raise ConfigError(f"unknown encoder '{name}'; known: {known}, or 'package.module:Class'")
    encoder: Encoder = getattr(importlib.import_module(module), attribute)(weights, **options)
    return encoder
