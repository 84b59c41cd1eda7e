"""An evaluation as a picture: words by sensor, recall between modalities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bindstream.types import Array
from deploy.lab.eval_scores import Scores


def draw(scores: Scores, path: Path) -> None:
    """Two heat maps side by side, numbers in %, as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    sensors = list(dict.fromkeys(str(s.modality) for s in scores.words))
    factors = list(dict.fromkeys(s.factor for s in scores.words))
    grid = np.full((len(sensors), len(factors)), np.nan)
    marks = np.full(grid.shape, "", dtype=object)
    for s in scores.words:
        place = sensors.index(str(s.modality)), factors.index(s.factor)
        grid[place] = 100 * s.accuracy
        marks[place] = "" if s.visible else "control"
    _map(left, grid, sensors, factors, marks, "named by words, % right")
    names = list(dict.fromkeys(r.query for r in scores.recalls))
    found = np.full((len(names), len(names)), np.nan)
    for r in scores.recalls:
        found[names.index(r.query), names.index(r.gallery)] = 100 * r.at_1
    none = np.full(found.shape, "", dtype=object)
    _map(right, found, names, names, none, f"query (row) finds its own of {scores.gallery}, R@1 %")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _map(
    axes: Any, grid: Array, rows: list[str], columns: list[str], marks: Array, title: str
) -> None:
    axes.imshow(grid, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_title(title)
    for row, column in np.ndindex(grid.shape):
        if np.isfinite(grid[row, column]):
            colour = "black" if grid[row, column] > 60 else "white"
            text = f"{grid[row, column]:.1f}\n{marks[row, column]}".strip()
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
