"""Commands on what is stored: open, verify, mend, publish, tidy up, copy."""

from __future__ import annotations

from typing import Any

from lmdata.cli.describing import describe
from lmdata.cli.parser import DONE, PLACE, WRONG_DATA, Options, as_path, computed, declare, means


def add(commands: Any) -> None:
    """Add the commands to a parser's."""
    show = declare(
        commands, "open", _show, "open a dataset by name or path and describe it", "lmdata open hardmax-square"
    )
    show.add_argument("name", help=PLACE)
    show.add_argument("--allow-partial", action="store_true", help="open an unfinished run too; absent members are NaN")

    verify = declare(
        commands,
        "verify",
        _verify,
        "recompute every digest of a store and find holes",
        "lmdata verify runs/sweep --json",
    )
    verify.add_argument("name", help=PLACE)
    verify.add_argument("--quick", action="store_true", help="look at status and layout only, read no positions")
    verify.add_argument(
        "--recompute", type=int, default=0, metavar="N", help="compute N members again, chosen at random, and compare"
    )

    repair = declare(
        commands, "repair", _repair, "compute again what is damaged or missing in a store", "lmdata repair runs/sweep"
    )
    repair.add_argument("store", help="a run store that nobody writes to")
    computed(repair)

    publish = declare(
        commands, "publish", _publish, "give a finished run a version that stays", "lmdata publish runs/sweep v1"
    )
    publish.add_argument("store", help="a run store that nobody writes to; it is verified first")
    publish.add_argument("version", help="v1, v2, ...; it is then opened as STORE@v1")

    versions = declare(
        commands,
        "versions",
        _versions,
        "list the versions of a dataset with their digests",
        "lmdata versions runs/sweep",
    )
    versions.add_argument("name", help="a catalogued name or the path of a run store")

    migrate = declare(
        commands,
        "migrate",
        _migrate,
        "bring a run store that an earlier lmdata wrote to the present form",
        "lmdata migrate runs/sweep",
    )
    migrate.add_argument("store", help="a run store that nobody writes to")

    cite = declare(
        commands, "cite", _cite, "print BibTeX for a dataset and its paper, offline", "lmdata cite localmax-square"
    )
    cite.add_argument("names", nargs="+", metavar="name", help="names of the catalogue")

    gc = declare(
        commands, "gc", _gc, "remove from a run store what only old commits need", "lmdata gc runs/sweep --days 7"
    )
    gc.add_argument("store", help="a run store that nobody writes to")
    gc.add_argument(
        "--days",
        type=float,
        default=1,
        help="datasets opened longer ago may have to be opened again (default: %(default)s)",
    )

    export = declare(
        commands,
        "export",
        _export,
        "write a dataset as a plain zarr folder",
        "lmdata export film-review film-review.zarr",
    )
    export.add_argument("name", help=PLACE)
    export.add_argument("target", help="a new folder")

    import_ = declare(
        commands,
        "import",
        _import,
        "make a run store of an exported zarr folder",
        "lmdata import film-review.zarr runs/film",
    )
    import_.add_argument("source", type=as_path, help="a folder that lmdata export wrote; it is verified first")
    import_.add_argument("store", help="a new place")


def _show(options: Options) -> dict[str, Any]:
    import lmdata

    return describe(lmdata.open(options.name, allow_partial=options.allow_partial), options.name)


def _verify(options: Options) -> dict[str, Any]:
    import lmdata

    report = lmdata.verify(options.name, full=not options.quick, recompute=options.recompute)
    return report.to_dict() | {"text": str(report), "exit_code": DONE if report.ok else WRONG_DATA}


def _repair(options: Options) -> dict[str, Any]:
    import lmdata

    before = lmdata.repair(options.store, **means(options))
    after = lmdata.verify(options.store)
    text = f"before: {before}\nafter: {after}"
    code = DONE if after.ok else WRONG_DATA
    return {"before": before.to_dict(), "after": after.to_dict(), "text": text, "exit_code": code}


def _publish(options: Options) -> dict[str, Any]:
    import lmdata

    lmdata.publish(options.store, options.version)
    return {
        "store": options.store,
        "version": options.version,
        "digest": lmdata.versions(options.store)[options.version],
        "text": f"published {options.store}@{options.version}",
    }


def _versions(options: Options) -> dict[str, Any]:
    import lmdata

    found = lmdata.versions(options.name)
    lines = [f"{options.name}@{version}  {digest}" for version, digest in found.items()]
    return {"name": options.name, "versions": found, "text": "\n".join(lines) or f"no version of {options.name} yet"}


def _migrate(options: Options) -> dict[str, Any]:
    import lmdata

    lmdata.migrate(options.store)
    return {"store": options.store, "text": f"{options.store} has the form that this lmdata writes"}


def _cite(options: Options) -> dict[str, Any]:
    import lmdata

    cited = lmdata.catalog.cite(*options.names)
    return {"names": options.names, "bibtex": cited, "text": cited}


def _gc(options: Options) -> dict[str, Any]:
    import lmdata

    removed = lmdata.gc(options.store, days=options.days)
    return {"store": options.store, "bytes": removed, "text": f"removed {removed:,} bytes"}


def _export(options: Options) -> dict[str, Any]:
    from lmdata.library import export

    export(options.name, options.target)
    return {"name": options.name, "target": str(options.target), "text": f"wrote {options.target}"}


def _import(options: Options) -> dict[str, Any]:
    from lmdata.data.export import import_zarr

    import_zarr(options.source, options.store)
    return {"store": str(options.store), "text": f"made {options.store}"}
