"""How alike vectors are, for a terminal: a table where it fits, else each one's nearest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bindstream.types import Array
from encoders.files.embed import KINDS, Item

_TEXT_WIDTH = 28
_NEAREST = 3
_NUMBER, _FRAME = 6, 3
"""Characters of a number at least, and of what stands around a cell."""


def show(items: list[Item], space_id: str) -> None:
    """Print cosines of all with all, then a softmax wherever there is a choice."""
    console = Console()
    vectors = np.stack([item.vector for item in items])
    _print(console, f"cosine, in {space_id}", items, items, vectors @ vectors.T)
    for rows, columns, shares in comparisons(items):
        title = f"{rows[0].modality} x {columns[0].modality}: softmax over the row"
        _print(console, title, rows, columns, shares)


def comparisons(items: list[Item]) -> list[tuple[list[Item], list[Item], Array]]:
    """Pairs of modalities as ImageBind's README compares them: softmax over the scaled products.

    Everything against the texts, then vision against sound; only where there is a choice.
    """
    groups = {m: [i for i in items if i.modality is m] for m in dict.fromkeys(KINDS.values())}
    text, audio = groups.pop(KINDS["text"]), groups[KINDS["audio"]]
    pairs = [(rows, text) for rows in groups.values()] + [(groups[KINDS["image"]], audio)]
    return [
        (rows, columns, softmax(_scaled(rows) @ _scaled(columns).T))
        for rows, columns in pairs
        if rows and len(columns) > 1
    ]


def softmax(scores: Array) -> Array:
    """Over the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _scaled(items: list[Item]) -> Array:
    return np.stack([item.scaled for item in items])


def _print(
    console: Console, title: str, rows: list[Item], columns: list[Item], values: Array
) -> None:
    console.print(title, highlight=False, markup=False)
    if _width(rows, columns) <= console.width:
        console.print(_table(rows, columns, values))
        return
    for line in nearest(rows, columns, values):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _width(rows: list[Item], columns: list[Item]) -> int:
    """Characters that the table needs to show every name whole."""
    cells = [max(len(_label(row)) for row in rows)]
    cells += [max(_NUMBER, len(_label(column))) for column in columns]
    return sum(width + _FRAME for width in cells) + 1


def _table(rows: list[Item], columns: list[Item], values: Array) -> Table:
    table = Table("")
    for item in columns:
        table.add_column(_label(item), justify="right")
    for item, row in zip(rows, values, strict=True):
        table.add_row(_label(item), *(f"{value:.3f}" for value in row))
    return table


def nearest(rows: list[Item], columns: list[Item], values: Array) -> list[str]:
    """A line for each row: its name, and the columns that are most like it, itself left out."""
    lines = []
    for item, row in zip(rows, values, strict=True):
        order = [n for n in np.argsort(-row, kind="stable") if columns[n] is not item]
        lines.append(_label(item))
        lines += [f"  {row[n]:6.3f}  {_label(columns[n])}" for n in order[:_NEAREST]]
    return lines


def _label(item: Item) -> str:
    name = item.name if item.kind == "text" else Path(item.name).name
    short = name if len(name) <= _TEXT_WIDTH else name[: _TEXT_WIDTH - 1] + "…"
    return f'"{short}"' if item.kind == "text" else short
