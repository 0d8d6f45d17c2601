"""Where the tokens gather: the vertices of the limit polytope and the share of the tokens at each, over time.

    python pipelines/vertex_occupancy.py localmax-square --output figures

Opens a dataset by name, measures it chunk by chunk, keeps the result beside its source as NAME-vertex-occupancy, and
draws it (arXiv 2509.15958).
"""

from __future__ import annotations

from typing import Any

import xarray

import lmdata
from lmdata import view
from lmdata.pipeline import Study, representative, selected


def measure(ds: xarray.Dataset) -> xarray.Dataset:
    """Return the limit polytope and the occupancy of its vertices, lazily."""
    return xarray.merge([lmdata.limit_polytope(ds), lmdata.vertex_occupancy(ds)], combine_attrs="drop_conflicts")


def figures(found: xarray.Dataset) -> list[Any]:
    """Draw the occupancy, and the trajectories in the same colours."""
    part = selected(found)
    return [view.occupancy(part), view.trajectories(part, time=part["time"].values[-1])]


STUDY = Study(
    "vertex-occupancy",
    measure,
    figures,
    text="The share of the tokens near each vertex of the limit polytope; what is missing to 1 is elsewhere. Beside it "
    "the trajectories, in the same colours: squares are the vertices, stars the leaders.",
    picture=lambda found: view.occupancy(representative(found)),
)

if __name__ == "__main__":
    STUDY.command(__doc__)
