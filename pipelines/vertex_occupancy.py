"""Where the tokens gather: the vertices of the limit polytope and the share of the tokens at each, over time.

    python pipelines/vertex_occupancy.py localmax-square --output figures

Opens a dataset by name, measures it chunk by chunk, keeps the result beside its source as NAME-vertex-occupancy, and
draws it (arXiv 2509.15958).
"""

from __future__ import annotations

from pathlib import Path

import xarray

import lmdata
from lmdata import view
from lmdata.pipeline import command, keep, publish, representative, selected
from lmdata.runs.cluster import computing

MEASURE = "vertex-occupancy"
TEXT = (
    "The share of the tokens near each vertex of the limit polytope; what is missing to 1 is elsewhere. Beside it the "
    "trajectories, in the same colours: squares are the vertices, stars the leaders."
)


def measure(ds: xarray.Dataset) -> xarray.Dataset:
    """Return the limit polytope and the occupancy of its vertices, lazily."""
    return xarray.merge([lmdata.limit_polytope(ds), lmdata.vertex_occupancy(ds)], combine_attrs="drop_conflicts")


def run(name: str, *, output: Path, scheduler: int | str | None = None) -> Path:
    """Measure a dataset, keep the result in the user's catalogue, and write its figures into a folder.

    Parameters
    ----------
    name : str
        A catalogued name, or the path of a store.
    output : path
        Folder for ``NAME-vertex-occupancy.html`` and ``.png``; made where it is missing.
    scheduler : int or str, optional
        Number of dask workers to be started here, or a scheduler's address; threads by default.

    Returns
    -------
    path
        The page.
    """
    ds = lmdata.open(name)
    with computing(scheduler):
        found = keep(measure(ds), ds, MEASURE, made_by="pipelines/vertex_occupancy.py")
    part = selected(found)
    figures = [view.occupancy(part), view.trajectories(part, time=part["time"].values[-1])]
    return publish(output, found, MEASURE, picture=view.occupancy(representative(found)), figures=figures, text=TEXT)


if __name__ == "__main__":
    command(run, __doc__)
