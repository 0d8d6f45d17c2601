"""Commands that compute: ``simulate``, ``resume``, ``extend``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lmdata.cli.describing import describe
from lmdata.cli.parser import Options, as_path, computed, declare, durable, means
from lmdata.errors import InvalidInput


def add(commands: Any) -> None:
    """Add the commands to a parser's."""
    simulate = declare(
        commands,
        "simulate",
        _simulate,
        "run a recipe from a YAML file into a store",
        "lmdata simulate sweep.yaml --store runs/sweep",
    )
    simulate.add_argument("spec", type=as_path, help="a YAML file with model, tokens, steps, seeds, sweep and record")
    simulate.add_argument(
        "--store", help="where to keep the run: a path or s3://... (default: the file's name without its ending)"
    )
    simulate.add_argument("--certify", action="store_true", help="prove the limits of localmax for all time, too")
    computed(simulate)
    durable(simulate)

    resume = declare(
        commands, "resume", _resume, "compute what an interrupted run still lacks", "lmdata resume runs/sweep"
    )
    resume.add_argument("store", help="the store of a run that was interrupted")
    computed(resume)
    durable(resume)

    extend = declare(
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
    computed(extend)
    durable(extend)


def _simulate(options: Options) -> dict[str, Any]:
    from lmdata.library import run_file
    from lmdata.runs.means import Means

    store = options.store or _named_after(options.spec)
    with_what = Means(store=store, durable=options.durable, certify=options.certify, **means(options))
    return describe(run_file(options.spec, with_what), str(store))


def _named_after(spec: Path) -> Path:
    if not spec.suffix:
        raise InvalidInput(f"no store can be named after {spec}, which has no ending; say where it goes with --store")
    return spec.with_suffix("")


def _resume(options: Options) -> dict[str, Any]:
    import lmdata

    dataset = lmdata.resume(options.store, durable=options.durable, **means(options))
    return describe(dataset, str(options.store))


def _extend(options: Options) -> dict[str, Any]:
    import lmdata

    swept = options.sweep or []
    if len(dict(swept)) < len(swept):
        raise InvalidInput(f"--sweep names a parameter twice in {[name for name, _ in swept]}; give each once")
    dataset = lmdata.extend(
        options.store, seeds=options.seeds, sweep=dict(swept) or None, durable=options.durable, **means(options)
    )
    return describe(dataset, str(options.store))


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
