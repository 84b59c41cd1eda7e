"""Tables as lines, at every width."""

from __future__ import annotations

import pytest

from bindstream.command.sheet import Cell, Column, cell_width, hanging, plain, table

COLUMNS = (
    Column("stream"),
    Column("modality"),
    Column("sensor Hz", figure=True),
    Column("worst age s", figure=True),
    Column("dropped"),
)
ROWS = [
    ("front", "vision", "30", "5", "superseded 2, sensor_gap 14, encoder_timeout 3"),
    ("ears", "audio", "16000", "0.25", "-"),
]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_no_letter_is_lost_at_any_width(width: int) -> None:
    """Breaks if a heading, a name or a figure is cut to fit."""
    lines = plain(table(COLUMNS, ROWS, width))
    words = " ".join(lines).replace(":", " ").split()
    for row in ROWS:
        for cell in row:
            assert set(cell.split()) - {"-"} <= set(words)
    for column in COLUMNS:
        assert set(column.heading.split()) <= set(words) | {"stream"}
    assert all(cell_width(line) <= width for line in lines if len(line.split()) > 1)


def test_a_wide_terminal_has_one_line_a_row() -> None:
    """Breaks if there is room and rows are folded, or figures do not stand to the right."""
    assert plain(table(COLUMNS, ROWS, 200)) == [
        "stream  modality  sensor Hz  worst age s  dropped",
        "front   vision           30            5  superseded 2, sensor_gap 14, encoder_timeout 3",
        "ears    audio         16000         0.25  -",
    ]


def test_headings_break_before_cells_wrap() -> None:
    """Breaks if a row is folded where broken headings would have been enough."""
    lines = plain(table(COLUMNS[:4], [row[:4] for row in ROWS], 32))
    assert lines == [
        "stream  modality  sensor  worst",
        "                      Hz  age s",
        "front   vision        30      5",
        "ears    audio      16000   0.25",
    ]


def test_the_last_column_wraps_under_itself() -> None:
    """Breaks if the rest of a long cell stands under another column's heading."""
    lines = plain(table(COLUMNS, ROWS, 60))
    assert [line[33:] for line in lines] == [
        "dropped",
        "",
        "superseded 2, sensor_gap",
        "14, encoder_timeout 3",
        "-",
    ]


def test_a_long_last_column_goes_under_its_row() -> None:
    """Breaks if one long cell tears all rows apart, or takes a line where it says nothing."""
    assert plain(table(COLUMNS, ROWS, 40)) == [
        "stream  modality  sensor Hz  worst age s",
        "front   vision           30            5",
        "  dropped: superseded 2, sensor_gap 14,",
        "           encoder_timeout 3",
        "ears    audio         16000         0.25",
    ]


def test_a_narrow_terminal_gets_blocks() -> None:
    """Breaks if columns that do not fit are squeezed until nothing can be read."""
    assert plain(table(COLUMNS, ROWS[1:], 28)) == [
        "ears",
        "  modality: audio",
        "  sensor Hz: 16000",
        "  worst age s: 0.25",
        "  dropped: -",
    ]


def test_wide_letters_count_as_two() -> None:
    """Breaks if a table of Japanese words does not line up."""
    lines = plain(table((Column("words"), Column("n")), [("犬が吠える", "1"), ("dog", "2")], 80))
    assert len({cell_width(line) for line in lines[1:]}) == 1


def test_styles_stay_beside_the_text() -> None:
    """Breaks if colour is part of the width, or is lost when a cell wraps."""
    rows = [("front", Cell("one two three four five six", "red"))]
    lines = table((Column("stream"), Column("dropped")), rows, 24)
    assert [cell.style for line in lines[1:] for cell in line].count("red") == len(lines) - 1


def test_no_row_is_only_headings() -> None:
    """Breaks if a robot without streams ends in an error."""
    assert plain(table(COLUMNS[:2], [], 80)) == ["stream  modality"]


def test_a_sentence_hangs_under_its_beginning() -> None:
    """Breaks if what is wrapped cannot be told from the next finding, or a path is broken."""
    path = "/a/very/long-path/that/cannot/be-broken/anywhere"
    assert hanging("ok  x  ", f"found at {path}", 30).splitlines() == [
        "ok  x  found at",
        f"       {path}",
    ]
