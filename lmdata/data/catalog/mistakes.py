"""What is wrong with a catalogue file, in words: where, which field, what it is, and what it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

SHOWN = 5
"""Mistakes that a message tells of."""

LINE, TEXT = "one line of 1 to 300 characters", "text of at most 5000 characters"
NAME = "lower-case letters, digits, '.', '_' and '-', at most 100, a letter or digit first"

FILE: Mapping[str, str] = {"lmdata_catalog": "1", "datasets": "a mapping of names to entries"}
"""What each field of a file may be."""
EARLIER: Mapping[str, str] = {
    "recipe": "a mapping of plain values",
    "path": LINE,
    "tag": "v1, v2, ...",
    "digest": "64 hexadecimal digits",
}
"""What each field of an earlier version may be."""
ENTRY: Mapping[str, str] = {
    **dict.fromkeys(("title", "paper", "measure", "derived_from"), LINE),
    **dict.fromkeys(("description", "citation", "claim", "result", "tolerance"), TEXT),
    "driver": "recipe, icechunk or zarr",
    **EARLIER,
    "tags": f"a list, each {LINE}",
    "version": "an integer from 1 to 9999",
    "earlier": "a mapping of earlier version numbers to what was different: recipe or path, tag, digest",
}
"""What each field of an entry may be."""
ALLOWED: Mapping[str, str] = {**FILE, **ENTRY}


def explain(error: ValidationError) -> str:
    """Return what is wrong with a catalogue in one line: the first few mistakes."""
    mistakes = error.errors(include_url=False)
    told = "; ".join(_tell(item["loc"], item["type"], item["msg"], item["input"]) for item in mistakes[:SHOWN])
    return told + (f"; and {len(mistakes) - SHOWN} more" if len(mistakes) > SHOWN else "")


def _tell(place: tuple[int | str, ...], kind: str, message: str, value: Any) -> str:
    """Return one mistake: ``place`` leads to ``value``, which is wrong in a way that ``kind`` and ``message`` tell."""
    where, fields, known = "the file", place, FILE
    if place[:1] == ("datasets",) and len(place) > 1:
        where, fields, known = f"entry {place[1]!r}", place[2:], EARLIER if "earlier" in place[2:-1] else ENTRY
    if fields == ("[key]",):
        return f"{where} has a name that is not allowed; a name is {NAME}"
    if fields[-1:] == ("[key]",):
        return f"{where}: {'.'.join(map(str, fields[:-1]))!r:.80} is no key; it must be {_allowed(fields[:-2])}"
    if not fields:
        return (
            f"{where}: {message.removeprefix('Value error, ')}" if kind == "value_error" else f"{where} is no mapping"
        )
    name = ".".join(map(str, fields))
    if kind == "missing":
        return f"{where} lacks {name}: {_allowed(fields)}"
    if kind == "extra_forbidden":
        return f"{where} has a field {name!r:.80} that is not known; known: {', '.join(known)}"
    return f"{where}: {name} is {shown(value)}; it must be {_allowed(fields)}"


def _allowed(fields: tuple[int | str, ...]) -> str:
    """Return what the innermost field of a path may be."""
    known = [field for field in fields if field in ALLOWED]
    return ALLOWED[str(known[-1])] if known else "as described in lmdata.data.catalog.file"


def shown(value: Any) -> str:
    """Return a value for a message; an address is not repeated, for it may hold a password."""
    return "an address" if isinstance(value, str) and "://" in value else f"{value!r:.80}"


def explain_yaml(error: Exception) -> str:
    """Return why a text is no YAML that is read here, in one line."""
    mark = getattr(error, "problem_mark", None) if isinstance(error, yaml.MarkedYAMLError) else None
    said = getattr(error, "problem", None) or (str(error).splitlines() or [type(error).__name__])[0]
    return f"{str(said).partition(';')[0]}{f' (line {mark.line + 1})' if mark else ''}"
