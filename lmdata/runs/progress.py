"""Progress of a run: a hook, or one bar: drawn in a terminal, an element in a notebook, plain lines in a log file."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

from lmdata.terminal import raw
from lmdata.wording import counted

Progress = Callable[[int, int], None]
"""A progress hook: called as ``progress(done, total)``, in members, as they finish."""

Report = Callable[[int], None]
"""What is called with the number of members that are done."""

LINE_SECONDS = 10.0
"""Seconds between two lines of a log file."""


@contextmanager
def reporting(progress: Progress | bool | None, total: int) -> Iterator[Report]:
    """Yield what is called with the number of members that are done, and tells it as ``progress`` says.

    Parameters
    ----------
    progress : callable, bool or None
        A hook, called as ``progress(done, total)``; or True for a bar on standard error: drawn by rich in a terminal,
        a progress element in a notebook, a line every ten seconds in a log file.
    total : int
        Number of members.

    Examples
    --------
    >>> with reporting(lambda done, total: print(f"{done} of {total}"), 3) as report:
    ...     report(2)
    2 of 3
    """
    if callable(progress):
        yield lambda done: progress(done, total)
    elif not progress:
        yield lambda done: None
    else:
        with _bar()(total) as report:
            yield report


def _bar() -> Callable[[int], AbstractContextManager[Report]]:
    """Return the bar that suits what standard error is."""
    from rich.console import Console

    console = Console(file=raw(sys.stderr))
    if console.is_jupyter:
        return _in_notebook
    return _in_terminal if console.is_terminal else _in_lines


@contextmanager
def _in_terminal(total: int) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("members"), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=raw(sys.stderr))) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def _in_notebook(total: int) -> Iterator[Report]:
    """Show an element that every notebook draws, also one opened later; it needs no widgets of another package."""
    notebook: Any = importlib.import_module("IPython.display")  # it is there where a notebook is
    started = time.monotonic()

    def element(done: int) -> Any:
        told = _told(done, total, time.monotonic() - started)
        return notebook.HTML(f'<progress value="{done}" max="{total}"></progress> {told}')

    shown = notebook.display(element(0), display_id=True)
    yield lambda done: shown.update(element(done))


@contextmanager
def _in_lines(total: int) -> Iterator[Report]:
    """Write a line now and then, and one at the end."""
    started = last = time.monotonic()

    def report(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= LINE_SECONDS:
            last = now
            sys.stderr.write(f"lmdata: {_told(done, total, now - started)}\n")
            sys.stderr.flush()

    yield report


def _told(done: int, total: int, seconds: float) -> str:
    """Return in words how far a run is, and how long it has taken.

    Examples
    --------
    >>> _told(5, 12, 75.4)
    '5 of 12 members after 0:01:15'
    """
    return f"{done} of {counted(total, 'member')} after {timedelta(seconds=int(seconds))}"
