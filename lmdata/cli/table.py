"""Tables that fit the terminal: what is too long is cut, what has no room is left out; whole where they are piped."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from lmdata.terminal import printable

GAP = "  "
CUT = ".."
"""Stands for the end of what was cut."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    head
        What stands above it.
    least
        Cells that it keeps when it is cut; None where it is never cut.
    optional
        Left out where it has no room, not even when it is cut.
    number
        Aligned to the right.
    """

    head: str
    least: int | None = None
    optional: bool = False
    number: bool = False


def terminal_width() -> int | None:
    """Return the cells of a line of the terminal; None where standard output is none, but a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int | None) -> str:
    """Return a table, each row a line of at most ``width`` cells; without one, of as many as it takes.

    Columns are cut, then left out, from the last to the first; a name that takes two cells a letter is measured so.

    Parameters
    ----------
    columns, rows
        A text for each column in every row.
    width
        Cells of a line. Columns that are never cut nor left out may take more.

    Examples
    --------
    >>> print(table([Column("name"), Column("title", least=8)], [["a", "A square of tokens"]], width=14))
    name  title
    a     A squa..
    """
    cells = [[_line(text) for text in row] for row in ([column.head for column in columns], *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    shown = list(range(len(columns)))

    def excess() -> int:
        return 0 if width is None else sum(widths[i] for i in shown) + len(GAP) * (len(shown) - 1) - width

    for i in reversed(range(len(columns))):
        least = columns[i].least
        if least is not None and widths[i] - least < excess() and columns[i].optional:
            shown.remove(i)
        elif least is not None:
            widths[i] = max(min(widths[i], least), widths[i] - max(excess(), 0))
    for i in reversed(range(len(columns))):
        if i in shown and columns[i].optional and excess() > 0:
            shown.remove(i)
    lines = (GAP.join(_fitted(row[i], widths[i], columns[i].number) for i in shown) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _line(text: str) -> str:
    """Return a text on one line, with what would steer the terminal as it is going to be printed."""
    return printable(" ".join(text.splitlines()))


def _fitted(text: str, width: int, number: bool) -> str:
    """Return a text of exactly so many cells."""
    long = cell_len(text)
    if long > width:
        return set_cell_size(text, max(width - len(CUT), 0)) + CUT[:width]
    return " " * (width - long) + text if number else text + " " * (width - long)
