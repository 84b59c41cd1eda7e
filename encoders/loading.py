"""From a name in the table, or a dotted ``"module:Class"``, to a working encoder."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from bindstream.errors import ConfigError
from encoders import ENCODERS
from encoders.encoder import Encoder


def load_encoder(
    name: str, weights: str | None, *, max_batch: int | None = None, **options: Any
) -> Encoder:
    """Import the class and construct it. ``max_batch``: the most windows that will come at once,
    told to a constructor that asks. Raises ConfigError for a name that leads nowhere."""
    target = ENCODERS.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        known = ", ".join(sorted(ENCODERS))
        raise ConfigError(f"unknown encoder '{name}'; known: {known}, or 'package.module:Class'")
    try:
        encoder_class = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a module of somebody else's, perhaps a script
        said = str(error) if isinstance(error, ImportError | AttributeError) else repr(error)
        raise ConfigError(f"encoder '{name}': {said:.300}") from error
    if max_batch is not None and "max_batch" in inspect.signature(encoder_class).parameters:
        options["max_batch"] = max_batch
    encoder: Encoder = encoder_class(weights, **options)
    return encoder
