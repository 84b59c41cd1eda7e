"""Training losses as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

_SMOOTH = 40  # steps


def draw(losses: Mapping[str, Sequence[float]], path: Path) -> None:
    """One line per stage, a running mean over 40 steps, against steps; a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, values in losses.items():
        width = min(_SMOOTH, len(values))
        mean = np.convolve(values, np.ones(width) / width, "valid")
        axes.plot(np.arange(len(mean)) + width, mean, label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
