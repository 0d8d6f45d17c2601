"""How fast the hull of the tokens shrinks: relative volume (or mean width, in high dimension) and its decay rate.

    python pipelines/hull_volume_decay.py localmax-square --output figures

Opens a dataset by name, measures it chunk by chunk, keeps the result beside its source as NAME-hull-volume-decay, and
draws it. Facts: under localmax the hull never grows (arXiv 2509.15958).
"""

from __future__ import annotations

from pathlib import Path

import xarray

import lmdata
from lmdata import view
from lmdata.pipeline import command, keep, publish, selected
from lmdata.runs.cluster import computing

MEASURE = "hull-volume-decay"
TEXT = (
    "The volume of the convex hull relative to the first frame, a line for each sensitivity; for tokens of many "
    "components its mean width. A line ends where the hull loses a dimension: its volume is 0. Beside it the median "
    "over all seeds, with a band between the quartiles."
)


def measure(ds: xarray.Dataset) -> xarray.Dataset:
    """Return relative volume, its decay rate and mean width, lazily."""
    measures = [lmdata.hull_volume(ds), lmdata.hull_decay(ds), lmdata.mean_width(ds)]
    return xarray.merge(measures, combine_attrs="drop_conflicts")


def run(name: str, *, output: Path, scheduler: int | str | None = None) -> Path:
    """Measure a dataset, keep the result in the user's catalogue, and write its figures into a folder.

    Parameters
    ----------
    name : str
        A catalogued name, or the path of a store.
    output : path
        Folder for ``NAME-hull-volume-decay.html`` and ``.png``; made where it is missing.
    scheduler : int or str, optional
        Number of dask workers to be started here, or a scheduler's address; threads by default.

    Returns
    -------
    path
        The page.
    """
    ds = lmdata.open(name)
    with computing(scheduler):
        found = keep(measure(ds), ds, MEASURE, made_by="pipelines/hull_volume_decay.py")
    part = selected(found)
    picture = view.volume_decay(found, over_seeds=True)
    return publish(output, found, MEASURE, picture=picture, figures=[view.volume_decay(part), picture], text=TEXT)


if __name__ == "__main__":
    command(run, __doc__)
