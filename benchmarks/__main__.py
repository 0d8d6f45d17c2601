"""Run the races and write the table: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from benchmarks import measures, races, report, storage
from benchmarks.contenders import Interpreter

RACES = (
    "steps",
    "calls",
    "products",
    "runs",
    "growth",
    "long",
    "hulls",
    "softmax",
    "trained",
    "limits",
    "storage",
    "checks",
    "measures",
)


def main() -> None:
    """Run what is asked for, print the table and store it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("races", nargs="*", metavar="RACE", help=f"which of {', '.join(RACES)}; all by default")
    parser.add_argument("--repeats", type=int, default=7, help="how often each contender runs, in turn")
    parser.add_argument("--large", action="store_true", help="include runs of a million tokens (minutes)")
    parser.add_argument("--history", action="store_true", help="show lmdata's medians of earlier runs, and run nothing")
    parser.add_argument("--jax", metavar="PYTHON", help="an interpreter that has jax, if this one does not")
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has torch, if this one does not")
    parser.add_argument("--into", type=Path, help="folder of the results; some races alone are not stored without it")
    arguments = parser.parse_args()
    if arguments.history:
        print(report.past(arguments.into or report.RESULTS))
        return
    wanted = arguments.races or RACES
    if unknown := set(wanted) - set(RACES):
        parser.error(f"no race named {', '.join(sorted(unknown))}; there are {', '.join(RACES)}")
    repeats = arguments.repeats
    sizes = ((100_000, 2), (100_000, 3), *(((1_000_000, 2),) if arguments.large else ()))
    with ExitStack() as stack:
        asked = {"jax": arguments.jax, "torch": arguments.torch}
        interpreters = {name: stack.enter_context(Interpreter(path)) for name, path in asked.items() if path}
        work = {
            "steps": lambda: races.steps(interpreters, repeats),
            "calls": lambda: races.calls(repeats),
            "products": lambda: races.large_products(min(repeats, 3)),
            "runs": lambda: races.whole_runs(sizes),
            "growth": lambda: races.growth((10_000, 100_000, 1_000_000) if arguments.large else (10_000, 100_000)),
            "long": lambda: races.long_run(repeats),
            "hulls": lambda: races.hulls(repeats),
            "softmax": lambda: races.softmax(repeats),
            "trained": lambda: races.trained(repeats),
            "limits": lambda: races.limits(repeats),
            "storage": lambda: storage.stores(min(repeats, 5)),
            "checks": lambda: storage.checks(repeats),
            "measures": lambda: [*measures.stored(min(repeats, 5)), *measures.many_tokens(min(repeats, 3))],
        }
        rows = [row for name in RACES if name in wanted for row in work[name]()]
    machine = report.describe_machine()
    print(report.markdown(machine, rows))
    folder = arguments.into or (None if arguments.races else report.RESULTS)
    for path in report.store(machine, rows, folder) if folder else ():
        print(path)


if __name__ == "__main__":
    main()
