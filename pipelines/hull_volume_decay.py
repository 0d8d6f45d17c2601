"""How fast the hull of the tokens shrinks: relative volume (or mean width, in high dimension) and its decay rate.

    python pipelines/hull_volume_decay.py localmax-square --output figures

Opens a dataset by name, measures it chunk by chunk, keeps the result beside its source as NAME-hull-volume-decay, and
draws it. Facts: under localmax the hull never grows (arXiv 2509.15958).
"""

from __future__ import annotations

import xarray

import lmdata
from lmdata import view
from lmdata.pipeline import Study, selected


def measure(ds: xarray.Dataset) -> xarray.Dataset:
    """Return relative volume, its decay rate and mean width, lazily."""
    measures = [lmdata.hull_volume(ds), lmdata.hull_decay(ds), lmdata.mean_width(ds)]
    return xarray.merge(measures, combine_attrs="drop_conflicts")


STUDY = Study(
    "hull-volume-decay",
    measure,
    figures=lambda found: [view.volume_decay(selected(found)), view.volume_decay(found, over_seeds=True)],
    text="The volume of the convex hull relative to the first frame, a line for each sensitivity; for tokens of many "
    "components its mean width. A line ends where the hull loses a dimension: its volume is 0. Beside it the median "
    "over all seeds, with a band between the quartiles.",
    picture=lambda found: view.volume_decay(found, over_seeds=True),
)

if __name__ == "__main__":
    STUDY.command(__doc__)
