"""Tables of numbers as text, in the dialects that loggers and spreadsheets write.

Blanks, commas, semicolons or tabs between the numbers, a decimal comma, quotes, a BOM of UTF-8 or
UTF-16; names above the numbers, also behind a ``#``, and a line of units below the names.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import numpy as np

from bindstream.errors import InvalidInput
from bindstream.types import Array

Line = tuple[int, str]
"""Its number in the file, from 1, and what it says."""
_COMMENTS = ("#", "%")
_DECIMAL_COMMA = re.compile(
    r"(?:[-+]?\d+(?:,\d+)?(?:[eE][-+]?\d+)?\s+)+[-+]?\d*,\d+(?:[eE][-+]?\d+)?"
)
_BLANKS = re.compile(r"\s+")


def read_table(path: Path) -> tuple[Array, list[str]]:
    """The numbers, float64 (n, columns), and the columns' names, [] where the file has none.

    Words in columns that have names become NaN. Raises InvalidInput, which line is wrong and why.
    """
    lines = [(n, line.strip().replace('"', "")) for n, line in enumerate(_lines(path), 1)]
    lines = [line for line in lines if line[1]]
    body = [line for line in lines if not line[1].startswith(_COMMENTS)]
    if not body:
        raise InvalidInput("holds no line of numbers")
    mark = _separator(body[-1][1])
    body = [(n, line.rstrip(f"{mark or ''} ")) for n, line in body]
    names, body = _names(body, mark)
    if not body:
        raise InvalidInput("holds no line of numbers")
    if mark != "," and not any("." in line for _, line in body[:9]):
        body = [(n, line.replace(",", ".")) for n, line in body]
    count = len(_cells(body[0][1], mark))
    if not names:
        names = _behind_a_comment(lines, body[0][0], mark, count)
    return _numbers(body, mark, bool(names)), names


def _lines(path: Path) -> list[str]:
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig").splitlines()


def _separator(line: str) -> str | None:
    """What stands between numbers; None: blanks."""
    if _DECIMAL_COMMA.fullmatch(line):
        return None if "\t" not in line else "\t"
    return next((mark for mark in (";", "\t", ",") if mark in line), None)


def _cells(line: str, mark: str | None) -> list[str]:
    return [cell.strip() for cell in (line.split(mark) if mark else _BLANKS.split(line))]


def _names(body: list[Line], mark: str | None) -> tuple[list[str], list[Line]]:
    """The names in the first line, with the units of the second, if they are none of numbers."""
    first = _cells(body[0][1], mark)
    if all(_is_number(cell) for cell in first if cell):
        return [], body
    second = _cells(body[1][1], mark) if len(body) > 1 else []
    if len(second) != len(first) or any(_is_number(cell) for cell in second):
        return first, body[1:]
    units = [unit.strip("[]()") for unit in second]
    return [f"{name} [{unit}]" for name, unit in zip(first, units, strict=True)], body[2:]


def _behind_a_comment(lines: list[Line], before: int, mark: str | None, count: int) -> list[str]:
    """The names of ``count`` columns in the last comment above the numbers, as np.savetxt writes
    them; a comment of another number of words is prose."""
    comments = [line for n, line in lines if n < before and line.startswith(_COMMENTS)]
    if not comments:
        return []
    said = comments[-1].lstrip("".join(_COMMENTS)).strip()
    for cells in (_cells(said, mark), _cells(said, None)):
        if len(cells) == count and not any(_is_number(cell) for cell in cells):
            return cells
    return []


def _numbers(body: list[Line], mark: str | None, named: bool) -> Array:
    try:
        return np.loadtxt([line for _, line in body], delimiter=mark, ndmin=2, comments=None)
    except ValueError:
        rows = [_row(n, _cells(line, mark), named) for n, line in body]
    for (n, _), row in zip(body, rows, strict=True):
        if len(row) != len(rows[0]):
            raise InvalidInput(f"line {n} has {len(row)} columns, the first {len(rows[0])}")
    return np.array(rows)


def _row(n: int, cells: list[str], named: bool) -> list[float]:
    """Of columns without names each may count: a word there is refused."""
    wrong = next((cell for cell in cells if not _is_number(cell)), None)
    if wrong is not None and not named:
        raise InvalidInput(f"line {n}: '{wrong[:40]}' is no number")
    return [float(cell) if _is_number(cell) else float("nan") for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
