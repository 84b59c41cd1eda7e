"""Batch norm while training, none afterwards: folding must not change the function."""

from __future__ import annotations

import torch
from torch import nn

from bindstream.types import Modality
from encoders.bind import batch_norm, tiny
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.model import ImageBind

SENSORS = [Modality.AUDIO, Modality.THERMAL, Modality.IMU]
SHAPES = {
    Modality.AUDIO: (1, 128, 204),
    Modality.THERMAL: (1, 112, 112),
    Modality.IMU: (6, 2000),
}


def _trained() -> ImageBind:
    """A small model whose norms have seen something and learned something."""
    torch.manual_seed(0)
    model = ImageBind(ImageBindConfig.of(tiny.config(20)), SENSORS)
    batch_norm.add(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.uniform_(module.bias, -1.0, 1.0)
    model.train()
    for modality, shape in SHAPES.items():
        model.features(modality, 3 * torch.randn(8, *shape) + 1)
    return model.eval()


def test_folding_keeps_the_function_and_leaves_a_plain_model() -> None:
    """Breaks if a norm is folded with the wrong gain, or a key of ours stays in the weights."""
    model = _trained()
    inputs = {m: torch.randn(4, *shape) for m, shape in SHAPES.items()}
    with torch.no_grad():
        before = {m: model.features(m, x) for m, x in inputs.items()}
        batch_norm.fold(model)
        after = {m: model.features(m, x) for m, x in inputs.items()}
    for modality in SENSORS:
        assert torch.allclose(before[modality], after[modality], atol=2e-5), modality
    plain = ImageBind(model.config, SENSORS)
    plain.load_state_dict(model.state_dict())  # strict: exactly the plain keys


def test_settle_measures_the_average_of_all_passes() -> None:
    """Breaks if the running statistics keep their old, trailing values."""
    norm = nn.BatchNorm1d(3)
    norm.running_mean = torch.full((3,), 99.0)
    batches = [torch.randn(64, 3) + shift for shift in (1.0, 3.0)]
    batch_norm.settle(norm, [lambda x=x: norm(x) for x in batches])
    wanted = torch.stack([x.mean(0) for x in batches]).mean(0)
    assert norm.running_mean is not None
    assert torch.allclose(norm.running_mean, wanted, atol=1e-5)
    assert not norm.training
