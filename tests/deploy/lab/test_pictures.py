"""Scenes of the world as pairs to train on: rows as the serving front end would make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bindstream.errors import InvalidInput
from bindstream.types import SENSED, Modality
from deploy.lab import pictures as scenes
from encoders.bind import tiny
from encoders.bind.inputs import Rows
from encoders.bind.pairs import Pairs
from encoders.imagebind.frontends import FrontEnds
from encoders.imagebind.inputs import Inputs

CARD = tiny.card(Path("none"), vocab_size=4)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    folder = tmp_path_factory.mktemp("scenes") / "pairs"
    scenes.render(folder, 6, seed=5, split="test", workers=1)
    return Pairs(folder)


@pytest.mark.parametrize("modality", SENSED)
def test_rows_are_what_serving_feeds_the_model(pairs: Pairs, modality: Modality) -> None:
    """Breaks if training and serving prepare a window differently: accuracy would be lost in
    silence."""
    inputs = Inputs(CARD, FrontEnds.of(CARD.front_ends), torch.device("cpu"))
    cut, _ = scenes.scene(5, 3, "test")
    served = inputs.tensor(modality, [cut[modality]])[0]
    trained = pairs.rows(modality, slice(3, 4))[0]
    # Bytes round to half a grey level (1/510 of the range, over CLIP's std), halves to 11 bits.
    atol = 0.008 if modality is Modality.VISION else 2e-3
    assert trained.shape == served.shape
    assert torch.allclose(trained, served, atol=atol, rtol=1e-3)


def test_truth_comes_with_the_rows(pairs: Pairs) -> None:
    """Breaks if labels and rows are of different scenes."""
    wanted = [scenes.scene(5, n, "test")[1] for n in range(6)]
    assert pairs.truth() == wanted


def test_rows_refuse_a_window_with_a_fault() -> None:
    """Breaks if NaN from a sensor could be trained on."""
    cut, _ = scenes.scene(5, 0, "test")
    bad = cut[Modality.THERMAL]
    bad.data[0, 0] = np.nan
    with pytest.raises(InvalidInput, match=r"thermal.*not finite"):
        Rows(CARD)(bad)
