"""One bar for every run: drawn in a terminal, an element in a notebook, plain lines in a log file."""

from __future__ import annotations

import builtins
import io
import sys
from types import SimpleNamespace

import pytest

from lmdata.runs import progress
from lmdata.runs.progress import reporting


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def stream(monkeypatch):
    def given(terminal: bool) -> Stream:
        made = Stream(terminal)
        monkeypatch.setattr(sys, "stderr", made)
        monkeypatch.setenv("TERM", "xterm")
        return made

    return given


def run(wanted: object) -> None:
    with reporting(wanted, 4) as report:
        for done in range(5):
            report(done)


def test_a_hook_is_called_with_every_number():
    seen = []
    run(lambda done, total: seen.append((done, total)))
    assert seen == [(done, 4) for done in range(5)]


@pytest.mark.parametrize("silent", [None, False])
def test_it_is_silent_unless_asked(silent, stream):
    log = stream(terminal=True)
    run(silent)
    assert log.getvalue() == ""


def test_a_log_file_gets_plain_lines_no_more_than_one_in_ten_seconds(stream, monkeypatch):
    log = stream(terminal=False)
    clock = iter([0.0, 1.0, 11.0, 12.0, 20.9, 21.0])  # the start, and the reports of 0 to 4 members
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    run(True)
    assert log.getvalue().splitlines() == [
        "lmdata: 1 of 4 members after 0:00:11",
        "lmdata: 4 of 4 members after 0:00:21",
    ]


def test_a_terminal_gets_a_bar_that_ends_full(stream):
    terminal = stream(terminal=True)
    run(True)
    shown = terminal.getvalue()
    assert "\x1b[" in shown
    assert "4/4" in shown
    assert "━" in shown


def test_a_notebook_gets_an_element_that_is_updated_in_place(stream, monkeypatch):
    stream(terminal=False)
    shown = []

    class Handle:
        def update(self, element: str) -> None:
            shown.append(element)

    class Display:
        HTML = staticmethod(str)

        @staticmethod
        def display(element: str, *, display_id: bool) -> Handle:
            assert display_id
            shown.append(element)
            return Handle()

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)  # as in a kernel of Jupyter
    monkeypatch.setitem(sys.modules, "IPython", type(sys)("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", Display)
    run(True)
    assert [element.split()[1] for element in shown] == [f'value="{done}"' for done in (0, 0, 1, 2, 3, 4)]
    assert shown[-1].startswith('<progress value="4" max="4"></progress> 4 of 4 members after')
