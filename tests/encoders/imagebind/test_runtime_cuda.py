"""How batches meet recordings. What needs no GPU of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bindstream.errors import InvalidInput
from bindstream.types import Modality
from encoders import imagebind
from encoders.imagebind.runtime_cuda import BATCHES, fitted, pieces, recorded_sizes
from encoders.imagebind.runtime_parts import PlainTower
from encoders.imagebind.self_test import trial_inputs


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 256))
def test_any_batch_is_cut_into_recorded_sizes(count, max_batch):
    """Breaks if a batch loses rows, or asks for a size that was never recorded."""
    sizes = recorded_sizes(max_batch)
    cut = pieces(count, sizes)
    assert sum(rows for rows, _ in cut) == count
    assert all(size in sizes and 0 < rows <= size for rows, size in cut)
    assert sum(size for _, size in cut) < 2 * count + 1


def test_no_more_is_recorded_than_will_come():
    """Breaks if a robot that encodes one window at a time waits and pays for graphs of 32."""
    assert recorded_sizes(1) == (1,)
    assert recorded_sizes(6) == (1, 2, 4, 6)
    assert recorded_sizes(32) == recorded_sizes(256) == BATCHES


def test_a_still_or_a_short_text_fits_a_recording():
    """Breaks if a picture's file or a short text is refused on a GPU alone, or means another
    thing there."""
    model = imagebind.load("bindstream_tiny", modalities=["vision", "text"])
    for modality, cut in ((Modality.VISION, lambda x: x[:, :, 0]), (Modality.TEXT, lambda x: x)):
        recorded = trial_inputs(model.config, modality)
        x = cut(recorded)
        if modality is Modality.TEXT:
            x = x[:, : int(x.argmax(-1).max()) + 1]
        tower = PlainTower(model, modality)
        with torch.inference_mode():
            torch.testing.assert_close(tower(fitted(x, recorded.shape)), tower(x))
    one_frame = torch.zeros(2, 3, 1, 112, 112)
    assert fitted(one_frame, torch.Size([8, 3, 2, 112, 112])).shape == (2, 3, 2, 112, 112)


@pytest.mark.parametrize("shape", [(1, 3, 112, 110), (1, 3, 3, 112, 112), (2, 6, 112)])
def test_what_does_not_fit_is_refused(shape):
    """Breaks if a wrong shape is spread over a recording by broadcasting."""
    with pytest.raises(InvalidInput, match="wants a tensor of shape"):
        fitted(torch.zeros(shape), torch.Size([4, 3, 2, 112, 112]))
