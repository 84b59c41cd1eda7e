"""The nouns: one spelling of whose window it is, and what happens to it on its way."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from msgspec.structs import asdict, replace

from bindstream.types import DepthMeta, Embedding, Modality, Stamped, Tombstone, Window
from tests.bindstream.messages import EMBEDDING, TOMBSTONE, as_plain

WINDOW = Window(
    robot="demo",
    stream="depth",
    modality=Modality.DEPTH,
    epoch=3,
    seq=7,
    start_ns=1,
    end_ns=2,
    data=np.full((2, 3), 1.5, np.float32),
    meta=DepthMeta(600.0, 0.075),
    deadline_ns=9,
)


@pytest.mark.parametrize("kind", [Window, Embedding, Tombstone])
def test_what_is_of_a_window_is_stamped_like_it(kind: type[Stamped]) -> None:
    """Breaks if a kind spells anew, or in another order, whose window it is."""
    assert kind.__struct_fields__[:7] == Stamped.__struct_fields__
    assert not set(kind.__annotations__) & set(Stamped.__struct_fields__)


def test_a_window_survives_the_way_to_a_replica() -> None:
    """Breaks if Serve, which pickles, cannot carry a window to its encoder."""
    there = pickle.loads(pickle.dumps(WINDOW))
    plain = asdict(there) | {"data": there.data.tolist()}
    assert plain == asdict(WINDOW) | {"data": WINDOW.data.tolist()}
    assert there.data.dtype == np.float32


def test_messages_survive_another_process() -> None:
    """Breaks if a reader's program cannot hand a message to its workers."""
    for message in (EMBEDDING, TOMBSTONE):
        there = pickle.loads(pickle.dumps(message))
        assert as_plain(there) == as_plain(message)


def test_messages_stay_what_they_are() -> None:
    """Breaks if a receiver can change, by mistake, what another holds too."""
    with pytest.raises(AttributeError):
        EMBEDDING.seq = 5  # type: ignore[misc]
    assert replace(EMBEDDING, seq=5).seq == 5
    assert replace(EMBEDDING) != EMBEDDING
    assert replace(TOMBSTONE) == TOMBSTONE
