"""Tables fit the terminal: no line is wider, names are whole, and nothing is lost where there is no terminal."""

from __future__ import annotations

import unicodedata

import pytest

from lmdata.cli.table import Column, table

COLUMNS = (
    Column("name"),
    Column("model", least=6),
    Column("members", number=True),
    Column("title", least=10, optional=True),
)
ROWS = [
    ("a-name-of-a-dataset", "localmax", "200", "A title that goes on for long, and then some more"),
    ("b", "feed-forward-attention", "1,000,000", "短い題名はどこまで続くのか"),
    ("c", "", "", "steered\x1b[31m\u202e by a title"),
]


def cells(line):
    """Return how many cells a terminal takes, by the Unicode database."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


@pytest.mark.parametrize("width", [40, 50, 60, 66, 80, 90, 120, 300])
def test_no_line_is_wider_than_the_terminal_and_names_are_whole(width):
    lines = table(COLUMNS, ROWS, width=width).split("\n")
    assert len(lines) == len(ROWS) + 1
    assert max(map(cells, lines)) <= width
    assert [line.split()[0] for line in lines[1:]] == [row[0] for row in ROWS]
    assert all("\x1b" not in line for line in lines)


def test_where_there_is_no_terminal_everything_is_there():
    lines = table(COLUMNS, ROWS, width=None).split("\n")
    assert lines[1].split("  ")[-1] == ROWS[0][-1]
    assert "feed-forward-attention  1,000,000" in lines[2]
    assert ".." not in "".join(lines)


def test_an_optional_column_is_left_out_before_another_is_cut():
    assert "title" not in table(COLUMNS, ROWS, width=60)
    assert "feed-forward-attention" in table(COLUMNS, ROWS, width=60)
    assert "feed-f.." not in table(COLUMNS, ROWS, width=60)
    assert ".." in table(COLUMNS, ROWS, width=44)
