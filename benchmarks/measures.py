"""Measures against reading: what a stored run costs to look at, and what many tokens cost whose graph is not made."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

import lmdata
from benchmarks.contenders import Timed, race
from benchmarks.storage import fast_folder

Row = dict[str, Any]

MEASURES: dict[str, Callable[[xr.Dataset], Any]] = {
    "leaders": lmdata.leaders,
    "interaction": lmdata.interaction,
    "quiescent_sets": lmdata.quiescent_sets,
}
"""What is asked of the interaction graph."""


def stored(repeats: int) -> list[Row]:
    """Race measures of many small members with reading their positions: MB in a second of the processor."""
    model, tokens = lmdata.Localmax(), lmdata.tokens.uniform(64, 2)
    with tempfile.TemporaryDirectory(dir=fast_folder(2**29)) as folder:
        place = Path(folder, "run")
        sweep: dict[str, Sequence[float]] = {"alignment_sensitivity": [0.0, 0.05, 0.1, 0.2]}
        lmdata.simulate(model, tokens, steps=60, seeds=range(500), sweep=sweep, store=place)
        megabytes = lmdata.open(place)["position"].nbytes / 1e6
        contenders = {"reading alone": _spent(lambda: lmdata.open(place)["position"].load())}
        contenders |= {name: _spent(_measuring(measure, place)) for name, measure in MEASURES.items()}
        for run in contenders.values():
            run()
        taken = race(contenders, repeats)
    rates = {name: _rate(one, megabytes) for name, one in taken.items()}
    reading = rates.pop("reading alone")
    return [
        {
            "work": f"{name} of 2000 stored members, n=64, d=2, 61 frames",
            "backend": "bits",
            "unit": "MB a processor second",
            "times": {"lmdata": rate, "reading alone": reading},
        }
        for name, rate in rates.items()
    ]


def many_tokens(repeats: int) -> list[Row]:
    """Time the measures of 21 frames of 20,000 tokens in the plane: seconds of the processor."""
    n, steps, sensitivity = 20_000, 20, 0.05
    ds = lmdata.simulate(lmdata.Localmax(sensitivity), lmdata.tokens.uniform(n, 2), steps=steps)
    rows = []
    for name, measure in MEASURES.items():
        contender = _spent(partial(measure, ds))
        contender()
        work = f"{name} of {steps + 1} frames, n={n}, d=2"
        times = race({"lmdata": contender}, repeats)
        rows.append({"work": work, "backend": "tree", "unit": "processor s", "times": times})
    return rows


def _measuring(measure: Callable[[xr.Dataset], Any], place: Path) -> Callable[[], object]:
    return lambda: measure(lmdata.open(place)).load()


def _spent(work: Callable[[], object]) -> Timed:
    """Return what runs the work once and tells the seconds that all threads of this process spent."""

    def run() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return run


def _rate(taken: dict[str, float], megabytes: float) -> dict[str, float]:
    least, median = megabytes / taken["least"], megabytes / taken["median"]
    return {"median": median, "least": least, "repeats": taken["repeats"]}
