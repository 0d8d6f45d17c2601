"""``lmdata catalog``: the named datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lmdata.cli.parser import DONE, WRONG_DATA, Options, as_path, declare
from lmdata.cli.table import Column, table, terminal_width
from lmdata.errors import BackendUnavailable
from lmdata.wording import sized

COLUMNS = (
    Column("name"),
    Column("model", least=10),
    Column("members", optional=True, number=True),
    Column("size", optional=True, number=True),
    Column("pairs", optional=True, number=True),
    Column("built", optional=True),
    Column("title", least=24, optional=True),
)
MEANING = "model, members, size (of positions, until it is built), pairs of tokens that act on each other, built"
"""What the columns are."""


def add(commands: Any) -> None:
    """Add the command and its verbs to a parser's."""
    catalog = commands.add_parser(
        "catalog",
        help="the named datasets",
        description="The named datasets.",
        epilog="Example: lmdata catalog search hardmax",
    )
    verbs = catalog.add_subparsers(title="verbs", metavar="VERB", required=True)
    declare(verbs, "list", _list, f"list the datasets: {MEANING}", "lmdata catalog list")
    search = declare(
        verbs, "search", _search, "find datasets by words, and list them", "lmdata catalog search hardmax leaders"
    )
    search.add_argument("words", nargs="+", metavar="word", help="words that an entry must have, all of them")
    info = declare(verbs, "info", _info, "tell all about an entry", "lmdata catalog info film-review")
    info.add_argument("name", help="a name of the catalogue")
    new = declare(
        verbs,
        "add",
        _add,
        "name a store of your own",
        "lmdata catalog add my-sweep runs/sweep --title 'My sweep'",
    )
    new.add_argument("new", metavar="name", help="a new name: lower-case letters, digits, '.', '_' and '-'")
    new.add_argument("path", help="a finished store, which is verified and copied")
    new.add_argument("--title", default="", help="one line (default: the name)")
    for verb, function, summary in (
        ("include", _include, "take a catalogue file in: its datasets have names from now on"),
        ("exclude", _exclude, "leave out a catalogue file that was taken in"),
    ):
        taken = declare(verbs, verb, function, summary, f"lmdata catalog {verb} lab.yaml")
        taken.add_argument("file", type=as_path, help="a YAML file of datasets")
    check = declare(
        verbs,
        "check",
        _check,
        "rebuild entries and compare their digests",
        "lmdata catalog check hardmax-square",
    )
    check.add_argument("names", nargs="*", help="entries to check (default: all that have a recipe)")
    export = declare(
        verbs,
        "export",
        _export,
        "write the catalogue for intake or STAC",
        "lmdata catalog export intake catalog.yaml --names hardmax-square",
    )
    export.add_argument("format", choices=["intake", "stac"])
    export.add_argument("path", type=as_path, help="a new file: .yaml for intake, .json for STAC; data goes beside it")
    export.add_argument("--names", nargs="+", help="datasets to write, built if need be (default: those built already)")


def _list(options: Options) -> dict[str, Any]:
    import lmdata

    found = _told(list(lmdata.catalog))
    return found | {"names": {one["name"]: one["title"] for one in found["datasets"]}}


def _search(options: Options) -> dict[str, Any]:
    import lmdata

    names = lmdata.catalog.search(" ".join(options.words))
    if not names:
        return {"names": [], "datasets": [], "text": f"no entry speaks of {' '.join(options.words)!r}"}
    return _told(names) | {"names": names}


def _told(names: Sequence[str]) -> dict[str, Any]:
    """Return what datasets are, a row each."""
    import lmdata
    from lmdata.listing import listed

    found = listed(lmdata.catalog, names)
    rows = [
        (
            one.name,
            one.model or "",
            "" if one.members is None else f"{one.members:,}",
            "" if one.size is None else sized(one.size),
            "" if one.cost is None else _rough(one.cost),
            "yes" if one.built else "",
            one.title,
        )
        for one in found
    ]
    return {"datasets": [asdict(one) for one in found], "text": table(COLUMNS, rows, width=terminal_width())}


def _rough(number: int) -> str:
    """Return a number to two digits: 1.2e7."""
    mantissa, _, exponent = f"{number:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if number else "0"


def _info(options: Options) -> dict[str, Any]:
    import yaml

    import lmdata

    info = lmdata.catalog.info(options.name)
    return info | {"text": yaml.safe_dump(info, sort_keys=False, allow_unicode=True).rstrip()}


def _add(options: Options) -> dict[str, Any]:
    import lmdata

    lmdata.catalog.add(options.new, options.path, title=options.title or options.new)
    return {
        "name": options.new,
        "text": f"{options.new} now names a copy of {options.path} in {lmdata.catalog.cache}",
    }


def _include(options: Options) -> dict[str, Any]:
    import lmdata

    lmdata.catalog.include(options.file)
    return {"file": str(options.file), "text": f"the datasets of {options.file} have names now"}


def _exclude(options: Options) -> dict[str, Any]:
    import lmdata

    lmdata.catalog.exclude(options.file)
    return {"file": str(options.file), "text": f"the datasets of {options.file} have no names any more"}


def _check(options: Options) -> dict[str, Any]:
    import lmdata

    names = options.names or [name for name in lmdata.catalog if lmdata.catalog.info(name).get("recipe")]
    wrong, elsewhere = {}, {}
    for name in names:
        try:
            report = lmdata.catalog.check(name)
        except BackendUnavailable as error:
            if options.names:
                raise
            elsewhere[name] = f"not built here: {error}"
            continue
        if not report.ok:
            wrong[name] = str(report)
    text = "\n".join(f"{name}: {(wrong | elsewhere).get(name, 'as catalogued')}" for name in names)
    checked = [name for name in names if name not in elsewhere]
    return {
        "checked": checked,
        "not_built": elsewhere,
        "wrong": wrong,
        "text": text,
        "exit_code": WRONG_DATA if wrong else DONE,
    }


def _export(options: Options) -> dict[str, Any]:
    import lmdata

    lmdata.catalog.export(options.path, format=options.format, names=options.names)
    return {"path": str(options.path), "text": f"wrote {options.path}"}
