"""Batch norm in a stem while it trains, none in what is shipped.

`add` puts a norm behind each convolution of a conv stem, `settle` measures its statistics once more
when training is over, `fold` multiplies them into the convolution, exactly: the trained model is
a plain ImageBind again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from encoders.imagebind.stems import ConvStem


def add(model: nn.Module) -> None:
    """A batch norm behind every convolution of every conv stem; stems become channels-last."""
    for stem in _stems(model):
        for n, conv in enumerate(stem):
            if isinstance(conv, nn.Conv1d | nn.Conv2d):
                norm = nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm1d
                stem[n] = nn.Sequential(conv, norm(conv.out_channels))
        if any(isinstance(m, nn.Conv2d) for m in stem.modules()):
            stem.to(memory_format=torch.channels_last)


def fold(model: nn.Module) -> None:
    """Undo `add`: the same function in eval mode (to rounding), without the norms."""
    for stem in _stems(model):
        for n, layer in enumerate(stem):
            if isinstance(layer, nn.Sequential):
                stem[n] = _folded(layer[0], layer[1])


@torch.no_grad()
def settle(model: nn.Module, passes: Iterable[Callable[[], object]]) -> None:
    """Replace the norms' running statistics, which trail behind the weights, by plain averages
    over these forward passes."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's way to say: the average of all
    model.train()
    for run in passes:
        run()
    model.eval()


def _stems(model: nn.Module) -> list[ConvStem]:
    return [m for m in model.modules() if isinstance(m, ConvStem)]


def _folded(conv: Any, norm: Any) -> nn.Module:
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # (channels,)
    with torch.no_grad():
        conv.weight.mul_(gain.view(-1, *[1] * (conv.weight.ndim - 1)))
        conv.bias.copy_((conv.bias - norm.running_mean) * gain + norm.bias)
    folded: nn.Module = conv
    return folded
