"""The ``lmdata`` command: one subcommand for each public verb.

Exit codes: 0 done; 1 something is wrong with the data (a failed verification, an incomplete or damaged store);
2 wrong arguments or input; 130 interrupted. With ``--json`` a command prints one JSON object and nothing else
on standard output; errors go to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any, TextIO

from lmdata import __version__
from lmdata.cli import catalog, completion, looking, runs, stores
from lmdata.cli.parser import DONE, INTERRUPTED, WRONG_DATA, WRONG_INPUT, Parser
from lmdata.errors import ClusterLost, LmdataError, StoreError
from lmdata.terminal import ReaderGone, escaped


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what it prints cannot steer the terminal.

    Whoever reads it through a pipe may leave before its end: that is no error, and changes no exit code.

    Examples
    --------
    >>> main(["--version"])
    lmdata 0.1.0
    0
    """
    with escaped():
        code = DONE
        try:
            code, out, err = _run(arguments)
            if out:
                print(out)
            if err:
                print(err, file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
        except ReaderGone:
            _discard()
        except OSError as error:
            _discard()
            print(f"lmdata: what was to be printed cannot be written: {error}", file=sys.stderr)
            code = WRONG_INPUT
        return code


def _discard() -> None:
    """Let go of what a stream cannot take, or the interpreter tries again at its end, and says that it failed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(arguments: Sequence[str] | None) -> tuple[int, str, str]:
    """Run one command; return its exit code, and what is to be printed to standard output and standard error."""
    try:
        options, more = build().parse_known_args(arguments)
        if more:
            options.parser.refuse(more)
    except SystemExit as end:  # the parser has said why
        return int(end.code or DONE), "", ""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_warn, warnings.showwarning)
            result: dict[str, Any] = options.command(options)
    except (StoreError, ClusterLost) as error:
        return WRONG_DATA, "", f"lmdata: {error}"
    except (LmdataError, ImportError) as error:
        return WRONG_INPUT, "", f"lmdata: {error}"
    except KeyboardInterrupt as error:
        return INTERRUPTED, "", str(error) or "interrupted"
    except ReaderGone:
        raise
    except OSError as error:  # of what a command reads or writes beside a store
        return WRONG_INPUT, "", f"lmdata: {error}"
    finally:
        signal.signal(signal.SIGTERM, previous)
    code = int(result.pop("exit_code", DONE))
    text = str(result.pop("text", ""))
    return code, json.dumps(result, indent=2, default=str) if options.json else text, ""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt("terminated")


def _warn(
    usual: Callable[..., None],
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Tell a warning of lmdata's own without the line of code that it came from: whoever typed words has none."""
    if category.__module__ == LmdataError.__module__:
        print(f"lmdata: {message}", file=sys.stderr)
    else:
        usual(message, category, filename, lineno, file, line)


def build() -> Parser:
    """Return the parser of the command, with every subcommand."""
    parser = Parser(
        prog="lmdata",
        description="Simulate, keep, measure and look at attention dynamics.",
        epilog="Begin with: lmdata demo",
    )
    parser.add_argument("--version", action="version", version=f"lmdata {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in (runs, stores, looking, catalog):
        group.add(commands)
    completion.add(commands, build)
    return parser
