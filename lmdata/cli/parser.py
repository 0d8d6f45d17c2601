"""What the commands share: how one is declared, arguments that several take, and what wrong words are answered with."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lmdata.errors import InvalidInput, UnknownName

DONE, WRONG_DATA, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

type Options = argparse.Namespace
"""The arguments of a command, checked."""
type Command = Callable[[Options], dict[str, Any]]
"""Does what a command is for; returns what ``--json`` prints, with ``text`` for people and perhaps ``exit_code``."""

PLACE = "a catalogued name or the path of a store"
CATALOGUED = ("name", "names")
"""Arguments that are names of datasets, or may be."""


class Parser(argparse.ArgumentParser):
    """A parser that says which command or option was perhaps meant."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = str(action.metavar or action.dest).lower()
            raise argparse.ArgumentError(action, str(UnknownName.among(what, value, map(str, action.choices))))

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """End with a message on words that are neither arguments nor options of this command."""
        word = words[0].partition("=")[0]
        if not word.startswith("-"):
            self.error(f"{self.prog} takes no more arguments; got {word!r}")
        known = {name for action in self._actions for name in action.option_strings}
        self.error(str(UnknownName.among(f"option of {self.prog}", word, known)))


def declare(commands: Any, name: str, function: Command, summary: str, example: str) -> argparse.ArgumentParser:
    """Add a command with its help and an example, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=f"Example: {example}"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=function, parser=parser)
    return parser


def computed(parser: argparse.ArgumentParser) -> None:
    """Add what a run is computed with."""
    parser.add_argument("--backend", default="auto", help="auto, numpy or cupy, or one with a kernel: numpy:canonical")
    scheduled(parser)


def means(options: Options) -> dict[str, Any]:
    """Return what a run is computed with, as its verb takes it; a bar goes to standard error."""
    return {"backend": options.backend, "scheduler": options.scheduler, "progress": not options.json}


def durable(parser: argparse.ArgumentParser) -> None:
    """Add whether commits are flushed to disk."""
    parser.add_argument("--durable", action="store_true", help="flush each commit to disk: survives loss of power too")


def scheduled(parser: argparse.ArgumentParser) -> None:
    """Add where it is computed."""
    parser.add_argument(
        "--scheduler", help="compute on a dask cluster: the number of workers to start here, or a scheduler's address"
    )


def as_path(text: str) -> Path:
    """Return a path with ``~`` for the home directory, also where the shell leaves it: ``--output=~/page``.

    Raises
    ------
    argparse.ArgumentTypeError
        If it cannot be a path.
    """
    from lmdata.numerics import checks

    try:
        return checks.as_path(text, "a path")
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(str(error)) from error
