"""When tokens fall quiet: the quiescent set of every vertex, the time at which each token enters it, S1 and S2.

    python pipelines/quiescent_sets.py localmax-square --output figures

Opens a dataset by name, measures it chunk by chunk, keeps the result beside its source as NAME-quiescent-sets, and
draws it (arXiv 2509.15958).
"""

from __future__ import annotations

import xarray

import lmdata
from lmdata import view
from lmdata.pipeline import Study, representative, selected


def measure(ds: xarray.Dataset) -> xarray.Dataset:
    """Return the limit polytope and its quiescent sets, lazily."""
    return xarray.merge([lmdata.limit_polytope(ds), lmdata.quiescent_sets(ds)], combine_attrs="drop_conflicts")


STUDY = Study(
    "quiescent-sets",
    measure,
    figures=lambda found: [view.quiescent_raster(selected(found))],
    text="Each row is a token. It is coloured from the time on at which no chain of listening leads from it to a token "
    "that ends elsewhere; the colour is that of the vertex where it ends. Rows that stay pale are S2: they still "
    "listen to several clusters when the record ends.",
    picture=lambda found: view.quiescent_raster(representative(found)),
)

if __name__ == "__main__":
    STUDY.command(__doc__)
