"""The ``lmdata`` command: one subcommand for each public verb.

Exit codes: 0 done; 1 something is wrong with the data (a failed verification, an incomplete or damaged store);
2 wrong arguments or input; 130 interrupted. With ``--json`` a command prints one JSON object and nothing else
on standard output; errors go to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from lmdata import __version__
from lmdata.errors import BackendUnavailable, ClusterLost, InvalidInput, LmdataError, StoreError
from lmdata.terminal import escaped
from lmdata.wording import counted

DONE, WRONG_DATA, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what it prints cannot steer the terminal."""
    with escaped():
        try:
            code = _run(arguments)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read has seen enough
            code = DONE
        except OSError as error:
            code = _fail(OSError(f"what was to be printed cannot be written: {error}"), WRONG_INPUT)
        else:
            return code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or it is tried again at the end
        return code


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        result: dict[str, Any] = options.command(options)
    except (StoreError, ClusterLost) as error:
        return _fail(error, WRONG_DATA)
    except (LmdataError, ImportError) as error:
        return _fail(error, WRONG_INPUT)
    except KeyboardInterrupt as error:
        print(str(error) or "interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:  # of what a command reads or writes beside a store
        return _fail(error, WRONG_INPUT)
    finally:
        signal.signal(signal.SIGTERM, previous)
    code = int(result.pop("exit_code", DONE))
    text = result.pop("text", "")
    print(json.dumps(result, indent=2, default=str) if options.json else text)
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt("terminated")


def _fail(error: Exception, code: int) -> int:
    print(f"lmdata: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lmdata",
        description="Simulate, keep, measure and look at attention dynamics.",
        epilog="Begin with: lmdata demo",
    )
    parser.add_argument("--version", action="version", version=f"lmdata {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = _command(
        commands,
        "demo",
        _demo,
        "from a sentence to a page of figures, in a minute",
        "lmdata demo --output my-demo",
    )
    demo.add_argument(
        "--output",
        type=_path,
        default=Path("lmdata-demo"),
        help="folder for everything it makes (default: %(default)s)",
    )

    simulate = _command(
        commands,
        "simulate",
        _simulate,
        "run a recipe from a YAML file into a store",
        "lmdata simulate sweep.yaml --store runs/sweep",
    )
    simulate.add_argument("spec", type=_path, help="a YAML file with model, tokens, steps, seeds, sweep and record")
    simulate.add_argument(
        "--store", help="where to keep the run: a path or s3://... (default: the file's name without its ending)"
    )
    simulate.add_argument("--certify", action="store_true", help="prove the limits of localmax for all time, too")
    _computed(simulate)
    _durable(simulate)

    resume = _command(
        commands, "resume", _resume, "compute what an interrupted run still lacks", "lmdata resume runs/sweep"
    )
    resume.add_argument("store", help="the store of a run that was interrupted")
    _computed(resume)
    _durable(resume)

    extend = _command(
        commands,
        "extend",
        _extend,
        "widen a stored run by more seeds or swept values, and compute what is new",
        "lmdata extend runs/sweep --seeds 0:40 --sweep influence=0.25,0.5,1",
    )
    extend.add_argument("store", help="the store of a run, finished or not")
    extend.add_argument("--seeds", type=_seeds, help="all seeds, those that are there first: 0:40, or 0,1,2,9")
    extend.add_argument(
        "--sweep",
        type=_swept,
        action="append",
        metavar="NAME=V,V,...",
        help="all values of a swept parameter, those that are there first; may be repeated",
    )
    _computed(extend)
    _durable(extend)

    verify = _command(
        commands,
        "verify",
        _verify,
        "recompute every digest of a store and find holes",
        "lmdata verify runs/sweep --json",
    )
    verify.add_argument("store", help="a store, or the name of a catalogued dataset")
    verify.add_argument("--quick", action="store_true", help="look at status and layout only, read no positions")
    verify.add_argument(
        "--recompute", type=int, default=0, metavar="N", help="compute N members again, chosen at random, and compare"
    )

    repair = _command(
        commands, "repair", _repair, "compute again what is damaged or missing in a store", "lmdata repair runs/sweep"
    )
    repair.add_argument("store", help="a run store that nobody writes to")
    _computed(repair)

    _upkeep_commands(commands)

    show = _command(
        commands,
        "open",
        _show,
        "open a dataset by name or path and describe it",
        "lmdata open hardmax-square",
    )
    show.add_argument("name", help="a catalogued name or the path of a store")
    show.add_argument("--allow-partial", action="store_true", help="open an unfinished run too; absent members are NaN")

    export = _command(
        commands,
        "export",
        _export,
        "write a dataset as a plain zarr folder",
        "lmdata export film-review film-review.zarr",
    )
    export.add_argument("name", help="a catalogued name or the path of a store")
    export.add_argument("target", help="a new folder")

    import_ = _command(
        commands,
        "import",
        _import,
        "make a run store of an exported zarr folder",
        "lmdata import film-review.zarr runs/film",
    )
    import_.add_argument("source", type=_path, help="a folder that lmdata export wrote; it is verified first")
    import_.add_argument("store", help="a new place")

    analyse = _command(
        commands,
        "analyse",
        _analyse,
        "run the pipelines on a dataset",
        "lmdata analyse localmax-square --pipeline hull_volume_decay",
    )
    analyse.add_argument("name", help="a catalogued name or the path of a store")
    analyse.add_argument(
        "--pipeline", action="append", help="which to run (default: the three that suit every dataset)"
    )
    analyse.add_argument(
        "--output",
        type=_path,
        default=Path("lmdata-analysis"),
        help="folder for results (default: %(default)s)",
    )
    _scheduler(analyse)

    dashboard = _command(
        commands,
        "dashboard",
        _dashboard,
        "explore a dataset in the browser",
        "lmdata dashboard film-review",
    )
    dashboard.add_argument("name", help="a catalogued name or the path of a store")
    dashboard.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    dashboard.add_argument(
        "--address", default="127.0.0.1", help="IPv4 address to listen on (default: this machine alone)"
    )
    dashboard.add_argument(
        "--origin",
        action="append",
        help="HOST:PORT or URL in the browser's address bar, behind a tunnel or a hub; may be repeated",
    )
    dashboard.add_argument(
        "--password",
        nargs="?",
        const="",
        help="ask visitors for a password: the one given, or that of the variable LMDATA_PASSWORD",
    )
    dashboard.add_argument("--no-browser", action="store_true", help="do not open a browser window")

    _catalog_commands(commands)

    _command(
        commands,
        "doctor",
        _doctor,
        "say what this machine has and which kernel serves which size",
        "lmdata doctor",
    )
    return parser


def _upkeep_commands(commands: Any) -> None:
    publish = _command(
        commands, "publish", _publish, "give a finished run a version that stays", "lmdata publish runs/sweep v1"
    )
    publish.add_argument("store", help="a run store that nobody writes to; it is verified first")
    publish.add_argument("version", help="v1, v2, ...; it is then opened as STORE@v1")

    versions = _command(
        commands,
        "versions",
        _versions,
        "list the versions of a dataset with their digests",
        "lmdata versions runs/sweep",
    )
    versions.add_argument("name", help="a catalogued name or the path of a run store")

    migrate = _command(
        commands,
        "migrate",
        _migrate,
        "bring a run store that an earlier lmdata wrote to the present form",
        "lmdata migrate runs/sweep",
    )
    migrate.add_argument("store", help="a run store that nobody writes to")

    gc = _command(
        commands,
        "gc",
        _gc,
        "remove from a run store what only old commits need",
        "lmdata gc runs/sweep --days 7",
    )
    gc.add_argument("store", help="a run store that nobody writes to")
    gc.add_argument(
        "--days",
        type=float,
        default=1,
        help="datasets opened longer ago may have to be opened again (default: %(default)s)",
    )


def _catalog_commands(commands: Any) -> None:
    catalog = commands.add_parser(
        "catalog",
        help="the named datasets",
        description="The named datasets.",
        epilog="Example: lmdata catalog search hardmax",
    )
    verbs = catalog.add_subparsers(title="verbs", metavar="VERB", required=True)
    _command(verbs, "list", _catalog_list, "list the names", "lmdata catalog list")
    search = _command(verbs, "search", _catalog_search, "find entries by a word", "lmdata catalog search vertex")
    search.add_argument("text", help="words that an entry must have, all of them")
    info = _command(verbs, "info", _catalog_info, "tell all about an entry", "lmdata catalog info film-review")
    info.add_argument("name", help="a name of the catalogue")
    add = _command(
        verbs,
        "add",
        _catalog_add,
        "name a store of your own",
        "lmdata catalog add my-sweep runs/sweep --title 'My sweep'",
    )
    add.add_argument("name", help="a new name: lower-case letters, digits, '.', '_' and '-'")
    add.add_argument("path", help="a finished store, which is verified and copied")
    add.add_argument("--title", default="", help="one line (default: the name)")
    for verb, function, summary in (
        ("include", _catalog_include, "take a catalogue file in: its datasets have names from now on"),
        ("exclude", _catalog_exclude, "leave out a catalogue file that was taken in"),
    ):
        taken = _command(verbs, verb, function, summary, f"lmdata catalog {verb} lab.yaml")
        taken.add_argument("file", type=_path, help="a YAML file of datasets")
    check = _command(
        verbs,
        "check",
        _catalog_check,
        "rebuild entries and compare their digests",
        "lmdata catalog check hardmax-square",
    )
    check.add_argument("names", nargs="*", help="entries to check (default: all that have a recipe)")
    export = _command(
        verbs,
        "export",
        _catalog_export,
        "write the catalogue for intake or STAC",
        "lmdata catalog export intake catalog.yaml --names hardmax-square",
    )
    export.add_argument("format", choices=["intake", "stac"])
    export.add_argument("path", type=_path, help="a new file: .yaml for intake, .json for STAC; data goes beside it")
    export.add_argument("--names", nargs="+", help="datasets to write, built if need be (default: those built already)")


def _command(
    commands: Any,
    name: str,
    function: Callable[[argparse.Namespace], dict[str, Any]],
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=f"Example: {example}"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=function)
    return parser


def _computed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", default="auto", help="auto, numpy or cupy, or one with a kernel: numpy:canonical")
    _scheduler(parser)


def _means(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a run is computed with, as its verb takes it; a bar goes to standard error."""
    return {"backend": options.backend, "scheduler": options.scheduler, "progress": not options.json}


def _durable(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--durable", action="store_true", help="flush each commit to disk: survives loss of power too")


def _scheduler(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scheduler", help="compute on a dask cluster: the number of workers to start here, or a scheduler's address"
    )


def _describe(dataset: Any, place: str) -> dict[str, Any]:
    status = dataset["status"].values if "status" in dataset else None
    complete = None if status is None else int((status == 1).sum())
    members = None if status is None else int(status.size)
    summary = {
        "place": place,
        "sizes": dict(dataset.sizes),
        "recipe_id": dataset.attrs.get("recipe_id"),
        "digest": dataset.attrs.get("digest"),
        "backend": dataset.attrs.get("backend"),
        "members": members,
        "complete": complete,
    }
    told = "no members" if members is None else f"{complete} of {counted(members, 'member')} complete"
    return summary | {"text": f"{dataset!r}\n\n{place}: {told}"}


def _demo(options: argparse.Namespace) -> dict[str, Any]:
    from lmdata.demo import demo

    say = (lambda line: None) if options.json else print
    return demo(options.output, say=say) | {"text": ""}


def _simulate(options: argparse.Namespace) -> dict[str, Any]:
    from lmdata.library import run_file
    from lmdata.runs.means import Means

    store = options.store or _named_after(options.spec)
    means = Means(store=store, durable=options.durable, certify=options.certify, **_means(options))
    dataset = run_file(options.spec, means)
    return _describe(dataset, str(store))


def _path(text: str) -> Path:
    """Return a path with ``~`` for the home directory, also where the shell leaves it: ``--output=~/page``."""
    from lmdata.numerics.checks import as_path

    try:
        return as_path(text, "a path")
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _named_after(spec: Path) -> Path:
    if not spec.suffix:
        raise InvalidInput(f"no store can be named after {spec}, which has no ending; say where it goes with --store")
    return spec.with_suffix("")


def _resume(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    dataset = lmdata.resume(options.store, durable=options.durable, **_means(options))
    return _describe(dataset, str(options.store))


def _extend(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    swept = options.sweep or []
    if len(dict(swept)) < len(swept):
        raise InvalidInput(f"--sweep names a parameter twice in {[name for name, _ in swept]}; give each once")
    dataset = lmdata.extend(
        options.store, seeds=options.seeds, sweep=dict(swept) or None, durable=options.durable, **_means(options)
    )
    return _describe(dataset, str(options.store))


def _seeds(text: str) -> list[int]:
    """Return the seeds of ``0:40`` (0 to 39), ``0,1,2,9``, or ``0:10,20:30``."""
    from lmdata.runs.sweep import MOST_MEMBERS

    try:
        parts = [part.partition(":") for part in text.split(",")]
        ranges = [range(int(low), int(high) if colon else int(low) + 1) for low, colon, high in parts]
        if sum(map(len, ranges)) <= MOST_MEMBERS:
            return [seed for part in ranges for seed in part]
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r:.80} is no list of seeds; write 0:40 or 0,1,2,9, at most {MOST_MEMBERS:,} of them"
    )


def _swept(text: str) -> tuple[str, list[float]]:
    """Return the name and the values of ``NAME=V,V,...``."""
    name, _, values = text.partition("=")
    try:
        return name, [float(value) for value in values.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no NAME=V,V,..., e.g. influence=0.25,0.5,1") from error


def _verify(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    report = lmdata.verify(options.store, full=not options.quick, recompute=options.recompute)
    return report.to_dict() | {"text": str(report), "exit_code": DONE if report.ok else WRONG_DATA}


def _repair(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    before = lmdata.repair(options.store, **_means(options))
    after = lmdata.verify(options.store)
    text = f"before: {before}\nafter: {after}"
    code = DONE if after.ok else WRONG_DATA
    return {"before": before.to_dict(), "after": after.to_dict(), "text": text, "exit_code": code}


def _publish(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    lmdata.publish(options.store, options.version)
    return {
        "store": options.store,
        "version": options.version,
        "digest": lmdata.versions(options.store)[options.version],
        "text": f"published {options.store}@{options.version}",
    }


def _versions(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    found = lmdata.versions(options.name)
    lines = [f"{options.name}@{version}  {digest}" for version, digest in found.items()]
    return {"name": options.name, "versions": found, "text": "\n".join(lines) or f"no version of {options.name} yet"}


def _migrate(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    lmdata.migrate(options.store)
    return {"store": options.store, "text": f"{options.store} has the form that this lmdata writes"}


def _gc(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    removed = lmdata.gc(options.store, days=options.days)
    return {"store": options.store, "bytes": removed, "text": f"removed {removed:,} bytes"}


def _show(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    return _describe(lmdata.open(options.name, allow_partial=options.allow_partial), options.name)


def _export(options: argparse.Namespace) -> dict[str, Any]:
    from lmdata.library import export

    export(options.name, options.target)
    return {"name": options.name, "target": str(options.target), "text": f"wrote {options.target}"}


def _import(options: argparse.Namespace) -> dict[str, Any]:
    from lmdata.data.export import import_zarr

    import_zarr(options.source, options.store)
    return {"store": str(options.store), "text": f"made {options.store}"}


def _analyse(options: argparse.Namespace) -> dict[str, Any]:
    from lmdata.pipeline import analyse

    made = analyse(options.name, pipelines=options.pipeline, output=options.output, scheduler=options.scheduler)
    lines = [f"{pipeline}: {place}" for pipeline, place in made.items()]
    return {"name": options.name, "results": made, "text": "\n".join(lines)}


def _dashboard(options: argparse.Namespace) -> dict[str, Any]:
    from lmdata.view.server import serve

    password = options.password if options.password != "" else os.environ.get("LMDATA_PASSWORD")
    if options.password == "" and not password:
        raise InvalidInput("--password without a value takes it from the variable LMDATA_PASSWORD, which is not set")
    serve(
        options.name,
        port=options.port,
        address=options.address,
        origin=options.origin,
        password=password,
        open_browser=not options.no_browser,
        ready=_announce,
    )
    return {"text": ""}


def _announce(url: str) -> None:
    print(f"the dashboard is at {url} (Ctrl-C ends it)", flush=True)


def _doctor(options: argparse.Namespace) -> dict[str, Any]:
    from lmdata.doctor import doctor

    return doctor()


def _catalog_list(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    titles = {name: lmdata.catalog.info(name)["title"] for name in lmdata.catalog}
    width = max(map(len, titles), default=0)
    return {"names": titles, "text": "\n".join(f"{name:<{width}}  {title}" for name, title in titles.items())}


def _catalog_search(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    names = lmdata.catalog.search(options.text)
    return {"names": names, "text": "\n".join(names) or f"no entry speaks of {options.text!r}"}


def _catalog_info(options: argparse.Namespace) -> dict[str, Any]:
    import yaml

    import lmdata

    info = lmdata.catalog.info(options.name)
    return info | {"text": yaml.safe_dump(info, sort_keys=False, allow_unicode=True).rstrip()}


def _catalog_add(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    lmdata.catalog.add(options.name, options.path, title=options.title or options.name)
    return {
        "name": options.name,
        "text": f"{options.name} now names a copy of {options.path} in {lmdata.catalog.cache}",
    }


def _catalog_include(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    lmdata.catalog.include(options.file)
    return {"file": str(options.file), "text": f"the datasets of {options.file} have names now"}


def _catalog_exclude(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    lmdata.catalog.exclude(options.file)
    return {"file": str(options.file), "text": f"the datasets of {options.file} have no names any more"}


def _catalog_check(options: argparse.Namespace) -> dict[str, Any]:
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


def _catalog_export(options: argparse.Namespace) -> dict[str, Any]:
    import lmdata

    lmdata.catalog.export(options.path, format=options.format, names=options.names)
    return {"path": str(options.path), "text": f"wrote {options.path}"}


if __name__ == "__main__":
    sys.exit(main())
