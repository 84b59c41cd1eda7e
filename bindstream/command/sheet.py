"""A table as lines of text, at whatever width there is. Pure; needs the standard library alone.

Nothing is ever cut. Where the columns fit they stand side by side; where they fit only so, their
headings are broken over lines, then the last column is wrapped, then it stands under its row;
where they do not, each row becomes a block of ``heading: value``.
"""

from __future__ import annotations

import shutil
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

GAP = "  "
LEAST = 12
"""A last column narrower than this is not wrapped; it stands under its row."""
NOTHING = ("", "-")


class Cell(NamedTuple):
    """What stands in one place; ``style`` is rich's, and is left out where there is no colour."""

    text: str
    style: str = ""


Line = list[Cell]
"""One line: its parts one after another."""


@dataclass(frozen=True, slots=True)
class Column:
    """``figure``: stands to the right, and is never wrapped."""

    heading: str
    figure: bool = False


def terminal_width() -> int:
    """The terminal's, or COLUMNS; 80 where the output is no terminal."""
    return max(20, shutil.get_terminal_size((80, 24)).columns)


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell | str]], width: int
) -> list[Line]:
    """Rows of one cell per column -> lines of at most ``width`` (but a longer word stays whole)."""
    cells = [[Cell(c) if isinstance(c, str) else c for c in row] for row in rows]
    widths = _widths(columns, cells, width)
    if widths is None and not columns[-1].figure:
        widths = _widths(columns[:-1], [row[:-1] for row in cells], width)
    if widths is None:
        return [line for row in cells for line in _block(columns, row, width)]
    lines = _headings(columns[: len(widths)], widths)
    for row in cells:
        lines += _row(columns[: len(widths)], widths, row[: len(widths)])
        if len(widths) < len(row) and row[-1].text not in NOTHING:
            lines += _pairs(columns[-1:], row[-1:], width)
    return lines


def plain(lines: Iterable[Line]) -> list[str]:
    """Lines without their styles."""
    return ["".join(cell.text for cell in line).rstrip() for line in lines]


def hanging(head: str, text: str, width: int) -> str:
    """``head`` and ``text``, wrapped so that further lines stand under the text's beginning."""
    room = max(LEAST, width - cell_width(head))
    first, *rest = _broken(text, room) or [""]
    return "\n".join([head + first, *(" " * cell_width(head) + line for line in rest)]).rstrip()


def cell_width(text: str) -> int:
    """Columns that a terminal gives a text: two for wide letters, none for combining marks."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _widths(columns: Sequence[Column], rows: list[list[Cell]], width: int) -> list[int] | None:
    """Of each column side by side; None where they do not fit."""
    cells = [max((cell_width(row[i].text) for row in rows), default=0) for i in range(len(columns))]
    whole = [max(cell_width(c.heading), w) for c, w in zip(columns, cells, strict=True)]
    least = [max(_longest(c.heading), w) for c, w in zip(columns, cells, strict=True)]
    room = width - len(GAP) * (len(columns) - 1)
    for widths in (whole, least):
        if sum(widths) <= room:
            return widths
    last = room - sum(least[:-1])
    words = max((_longest(row[-1].text) for row in rows), default=0)
    wraps = not columns[-1].figure
    return [*least[:-1], last] if wraps and last >= max(LEAST, words) else None


def _headings(columns: Sequence[Column], widths: list[int]) -> list[Line]:
    headings = [_broken(c.heading, w) for c, w in zip(columns, widths, strict=True)]
    parts = zip_longest(*headings, fillvalue="")
    return [_aligned(columns, widths, [Cell(text, "bold") for text in part]) for part in parts]


def _longest(text: str) -> int:
    return max((cell_width(word) for word in text.split()), default=0)


def _row(columns: Sequence[Column], widths: list[int], row: list[Cell]) -> list[Line]:
    *first, last = row
    wrapped = _broken(last.text, widths[-1]) or [""]
    lines = [_aligned(columns, widths, [*first, Cell(wrapped[0], last.style)])]
    for more in wrapped[1:]:
        lines.append(_aligned(columns, widths, [""] * len(first) + [Cell(more, last.style)]))
    return lines


def _aligned(columns: Sequence[Column], widths: list[int], row: Sequence[Cell | str]) -> Line:
    line: Line = []
    for column, width, cell in zip(columns, widths, row, strict=True):
        text, style = cell if isinstance(cell, Cell) else (cell, "")
        padding = " " * (width - cell_width(text))
        line.append(Cell(padding + text if column.figure else text + padding, style))
        line.append(Cell(GAP))
    return line[:-1]


def _block(columns: Sequence[Column], row: list[Cell], width: int) -> list[Line]:
    """The row's name, and under it what is said of it."""
    return [[Cell(row[0].text, row[0].style or "bold")], *_pairs(columns[1:], row[1:], width)]


def _pairs(columns: Sequence[Column], row: list[Cell], width: int) -> list[Line]:
    """``heading: value``, as many a line as there is room."""
    lines: list[Line] = []
    used = width
    for column, cell in zip(columns, row, strict=True):
        head = f"{column.heading}: "
        needed = len(GAP) + cell_width(head + cell.text)
        if used + needed > width:
            lines.append([])
            used = 0
        parts = _broken(cell.text, max(LEAST, width - len(GAP) - cell_width(head))) or [""]
        lines[-1] += [Cell(GAP + head, "dim"), Cell(parts[0], cell.style)]
        indent = " " * cell_width(GAP + head)
        lines += [[Cell(indent), Cell(part, cell.style)] for part in parts[1:]]
        used += needed
    return lines


def _broken(text: str, width: int) -> list[str]:
    """At spaces; a word longer than ``width`` stays whole, so that a path can be copied."""
    if cell_width(text) <= width:
        return [text]
    return textwrap.wrap(text, max(1, width), break_long_words=False, break_on_hyphens=False)
