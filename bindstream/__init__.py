"""bindstream: the nouns, the wire and the subscriber. Needs numpy, pyzmq and msgspec alone.

What is named here is imported when it is asked for, so that the command starts, and hears Ctrl-C,
before any library is there.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bindstream.feed import Feed as Feed
    from bindstream.subscriber import Subscriber as Subscriber
    from bindstream.types import Embedding as Embedding
    from bindstream.types import Event as Event
    from bindstream.types import Gap as Gap
    from bindstream.types import Health as Health
    from bindstream.types import Member as Member
    from bindstream.types import Modality as Modality
    from bindstream.types import Reason as Reason
    from bindstream.types import Sample as Sample
    from bindstream.types import Scene as Scene
    from bindstream.types import Tombstone as Tombstone
    from bindstream.types import Window as Window

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
_ELSEWHERE = {"Feed": "bindstream.feed", "Subscriber": "bindstream.subscriber"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'bindstream' has no attribute '{name}'")
    module = importlib.import_module(_ELSEWHERE.get(name, "bindstream.types"))
    return getattr(module, name)
