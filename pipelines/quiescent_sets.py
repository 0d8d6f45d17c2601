"""When tokens fall quiet: the quiescent set of every vertex, the time at which each token enters it, S1 and S2.

    python pipelines/quiescent_sets.py localmax-square --output figures

Opens a dataset by name, measures it chunk by chunk, keeps the result beside its source as NAME-quiescent-sets, and
draws it (arXiv 2509.15958).
"""

from __future__ import annotations

from pathlib import Path

import xarray

import lmdata
from lmdata import view
from lmdata.pipeline import command, keep, publish, representative, selected
from lmdata.runs.cluster import computing

MEASURE = "quiescent-sets"
TEXT = (
    "Each row is a token. It is coloured from the time on at which no chain of listening leads from it to a token that "
    "ends elsewhere; the colour is that of the vertex where it ends. Rows that stay pale are S2: they still listen to "
    "several clusters when the record ends."
)


def measure(ds: xarray.Dataset) -> xarray.Dataset:
    """Return the limit polytope and its quiescent sets, lazily."""
    return xarray.merge([lmdata.limit_polytope(ds), lmdata.quiescent_sets(ds)], combine_attrs="drop_conflicts")


def run(name: str, *, output: Path, scheduler: int | str | None = None) -> Path:
    """Measure a dataset, keep the result in the user's catalogue, and write its figures into a folder.

    Parameters
    ----------
    name : str
        A catalogued name, or the path of a store.
    output : path
        Folder for ``NAME-quiescent-sets.html`` and ``.png``; made where it is missing.
    scheduler : int or str, optional
        Number of dask workers to be started here, or a scheduler's address; threads by default.

    Returns
    -------
    path
        The page.
    """
    ds = lmdata.open(name)
    with computing(scheduler):
        found = keep(measure(ds), ds, MEASURE, made_by="pipelines/quiescent_sets.py")
    figures = [view.quiescent_raster(selected(found))]
    picture = view.quiescent_raster(representative(found))
    return publish(output, found, MEASURE, picture=picture, figures=figures, text=TEXT)


if __name__ == "__main__":
    command(run, __doc__)
