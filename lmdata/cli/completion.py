"""``lmdata completion``: scripts that let the shell complete commands, options and names; no Python runs on TAB."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lmdata.cli.parser import CATALOGUED, Options, Parser, as_path, declare

SHELLS = ("bash", "zsh", "fish")
HOMES = {
    "bash": "~/.local/share/bash-completion/completions/lmdata",
    "zsh": "a folder of your fpath, as _lmdata",
    "fish": "~/.config/fish/completions/lmdata.fish",
}
"""Where each shell looks for the script."""


def add(commands: Any, build: Callable[[], Parser]) -> None:
    """Add the command to a parser's; ``build`` makes the parser of all commands."""
    completion = declare(
        commands,
        "completion",
        lambda options: _completion(options, build()),
        "print a script that lets the shell complete commands, options and names of datasets",
        "lmdata completion bash > ~/.local/share/bash-completion/completions/lmdata",
    )
    completion.add_argument("shell", choices=SHELLS, help="which shell reads it; " + _homes())


def _homes() -> str:
    return "; ".join(f"{shell}: {home}" for shell, home in HOMES.items())


def _completion(options: Options, parser: Parser) -> dict[str, Any]:
    import lmdata

    return {"shell": options.shell, "text": script(parser, options.shell, list(lmdata.catalog))}


def script(parser: Parser, shell: str, names: Sequence[str]) -> str:
    """Return what a shell reads to complete the words of the command.

    Parameters
    ----------
    parser
        Of all commands; it is changed, and of no further use.
    shell
        One of `SHELLS`.
    names
        Datasets that there are now. The script holds them, so that TAB starts no Python and reads no catalogue: it is
        to be made again after names are added.
    """
    import shtab

    preamble, named = _naming(shell, [*names])
    for action in _actions(parser):
        if action.type is as_path or action.dest in ("store", "target", "path"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        if action.dest in CATALOGUED:
            action.complete = {shell: named}  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell, preamble=preamble))


def _naming(shell: str, names: list[str]) -> tuple[str, str]:
    """Return a function of the shell that completes names and files, and how the script calls it."""
    words = shlex.join(names)
    if shell == "bash":
        body = f'compgen -W {shlex.quote(words)} -- "$1"; compgen -f -- "$1"'
        return f"_lmdata_names_or_files() {{ {body}; }}", "_lmdata_names_or_files"
    if shell == "zsh":
        return f"_lmdata_names() {{ compadd -- {words}; _files; }}", "_lmdata_names"
    body = f"printf '%s\\n' {words}; __fish_complete_path (commandline -ct)"
    return f"function _lmdata_names; {body}; end", "(_lmdata_names)"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield every argument of a parser and of those below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in dict.fromkeys(action.choices.values()):
                yield from _actions(child)
        else:
            yield action
