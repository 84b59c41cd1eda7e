"""bindstream: the nouns, the wire and the subscriber. Needs numpy, pyzmq and msgspec alone."""

from __future__ import annotations

from bindstream.feed import Feed
from bindstream.subscriber import Subscriber
from bindstream.types import (
    Embedding,
    Event,
    Gap,
    Health,
    Member,
    Modality,
    Reason,
    Sample,
    Scene,
    Tombstone,
    Window,
)

__version__ = "0.1.0"
__all__ = [
    "Embedding",
    "Event",
    "Feed",
    "Gap",
    "Health",
    "Member",
    "Modality",
    "Reason",
    "Sample",
    "Scene",
    "Subscriber",
    "Tombstone",
    "Window",
]
