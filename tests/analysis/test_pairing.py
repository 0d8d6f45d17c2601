"""Two datasets are paired by the labels that both have, whatever those are, or the reason is told."""

from __future__ import annotations

import pandas as pd
import pytest
import xarray as xr

import lmdata
from lmdata.errors import InvalidInput

STEPS = {"steps": 1, "seeds": [0, 1]}
DATASET = lmdata.simulate(lmdata.SphereGradientFlow(), lmdata.tokens.sphere(5, 3), **STEPS)
PAIRS = xr.Coordinates.from_pandas_multiindex(pd.MultiIndex.from_arrays([[0, 1], [5, 6]], names=("p", "q")), "seed")
DATES = {"seed": pd.to_datetime(["2026-01-01", "2026-01-02"])}
both = pytest.mark.parametrize("measure", [lmdata.energy_distance, lmdata.transport_distance])


@both
@pytest.mark.parametrize("labels", [PAIRS, DATES], ids=["pairs", "dates"])
def test_labels_of_different_kinds_are_refused_and_those_of_one_are_paired(measure, labels):
    other = DATASET.drop_vars("seed").assign_coords(labels)
    with pytest.raises(InvalidInput, match="labels of different kinds"):
        measure(DATASET, other)
    found = measure(other, other.isel(seed=[1]))
    assert found.sizes == {"seed": 1, "time": 2}
    assert (found == 0).all(), "the second member is itself, and not the first"


@both
def test_nothing_in_common_is_told(measure):
    with pytest.raises(InvalidInput, match="share no seed"):
        measure(DATASET, DATASET.assign_coords(seed=[7, 8]))
    with pytest.raises(InvalidInput, match="pairs what has the same seed: give each seed a label, once"):
        measure(DATASET, DATASET.assign_coords(seed=[0, 0]))
