"""What training makes attention select: correlation with every max-margin solution, weight, margin, and who wins.

For datasets of `lmdata.selection`. Run as ``python pipelines/token_selection.py NAME``, or
``lmdata analyse NAME --pipeline token_selection``.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import xarray as xr

import lmdata
from lmdata import selection, view
from lmdata.data.derived import is_derived, save_derived
from lmdata.runs.cluster import computing
from lmdata.view import selection as figures

TITLE = "Token selection by training"


def measure(ds: xr.Dataset, found: xr.Dataset) -> xr.Dataset:
    """Return the solutions of a training run and the lazy measures against them."""
    measures = [
        selection.direction_correlation(ds, found),
        selection.selected_mass(ds, found).mean("sample", keep_attrs=True),
        selection.path_margin(ds, found),
        selection.winner(ds, found),
    ]
    return xr.merge([found, selection.norms(ds), *measures], combine_attrs="override")


def run(name: str, *, output: Path, scheduler: int | str | None = None) -> Path:
    """Measure a dataset out of core, keep the result, and draw it; return the page.

    Parameters
    ----------
    name : str
        A catalogued name, or the path of a store of `lmdata.selection.train`.
    output : path
        Folder for the page. The result of a catalogued dataset is entered in the catalogue as
        ``NAME-token-selection``; that of a path is written beside the page, over an earlier one.
    scheduler : int or str, optional
        Number of dask workers to be started here, or a scheduler's address; threads by default.
    """
    output = Path(output)
    with computing(scheduler):
        ds = lmdata.open(name)
        found = selection.solutions(ds)
        result = _keep(ds, measure(ds, found), name, output)
        drawn = [figures.correlation(ds, found), figures.mass(ds, found)]
        if "prompt" in ds and ds.sizes["feature"] > 1:
            drawn.insert(0, figures.paths(ds, found))
        section = view.Section("Paths, turning and weight", drawn, _said(result))
        return view.write_page(output / "token_selection.html", f"{TITLE}: {name}", [section])


def _keep(ds: xr.Dataset, measured: xr.Dataset, name: str, output: Path) -> xr.Dataset:
    """Compute the measures into the catalogue, or beside the page for a dataset opened by path; open them."""
    made_by = "pipelines/token_selection.py"
    if name in lmdata.catalog:
        entry = f"{name}-token-selection"
        lmdata.catalog.save(entry, measured, source=ds, made_by=made_by, title=f"{TITLE}: {name}")
        return lmdata.open(entry)
    place = output / "token_selection.zarr"
    if is_derived(place):
        shutil.rmtree(place)
    save_derived(measured, place, source=ds, made_by=made_by)
    return lmdata.open(place)


def _said(result: xr.Dataset) -> str:
    """Return in words which solution wins, how often."""
    winner = result.winner.values.ravel()
    counts = {int(number): int((winner == number).sum()) for number in sorted(set(winner.tolist()))}
    told = [
        f"{count} of {winner.size} members select solution {number}" for number, count in counts.items() if number >= 0
    ]
    none = [f"{counts[-1]} select none of them"] if -1 in counts else []
    return "; ".join([*told, *none]) + "."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--output", type=Path, default=Path("figures"))
    parser.add_argument("--scheduler")
    arguments = parser.parse_args()
    print(run(arguments.name, output=arguments.output, scheduler=arguments.scheduler))
