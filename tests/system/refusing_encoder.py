"""An encoder whose constructor refuses, as one does whose model or licence is missing."""

from __future__ import annotations

from typing import Any

from tests.system.toy_encoder import ToyEncoder


class RefusingEncoder(ToyEncoder):
    """Looks like the toy encoder until it is made."""

    def __init__(self, weights: str | None, **options: Any) -> None:
        raise OSError(28, "no room for the model's cache", "/var/cache/model")
