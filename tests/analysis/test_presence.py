"""A token that is not there: refused by every measure, eager or lazy; and nothing is measured where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata import analysis
from lmdata.errors import InvalidInput

LOCALMAX = lmdata.simulate(lmdata.Localmax(0.1, influence=0.5), lmdata.tokens.uniform(6, 2), steps=5, seeds=range(2))
RESCALED = lmdata.simulate(lmdata.SelfAttention(values=[[1.0, 0.0], [0.0, 0.5]]), lmdata.tokens.uniform(6, 2), steps=5)
NAMES = sorted(name for name in analysis.__all__ if hasattr(getattr(analysis, name), "about"))


def measured(name, ds):
    further = {
        "dominance_cells": (np.eye(2),),
        "energy_distance": (ds,),
        "rescaled_time": (4.0,),
        "transport_distance": (ds,),
    }
    arguments = further.get(name, ())
    return getattr(analysis, name)(ds, *arguments)


def arrays(result):
    return [result] if isinstance(result, xr.DataArray) else list(result.data_vars.values())


def data(name):
    return RESCALED if name in ("hyperplanes", "subspace_polytope") else LOCALMAX


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("a token", np.nan),
        ("a component", np.inf),
        ("one number", -np.inf),
        *(
            pytest.param(where, value, marks=pytest.mark.long)
            for where, value in [("a token", np.inf), ("a component", -np.inf), ("one number", np.nan)]
        ),
    ],
)
def test_a_token_that_is_not_finite_is_refused_by_every_measure(name, value, where):
    ds = data(name)
    keep = {
        "a token": ds.token != 3,
        "a component": ds.component != 1,
        "one number": (ds.token != 3) | (ds.component != 1) | (ds.time != ds.time[-1]),
    }[where]
    broken = ds.assign(position=ds.position.where(keep, value))
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        measured(name, broken)
    lazy = measured(name, broken.chunk({"seed": 1}))
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        lazy.compute(scheduler="synchronous")


OVER_TIME = (
    "cluster_events",
    "quiescent_sets",
    "convergence",
    "lyapunov",
    "energy",
    "metastability",
    "rescaled_time",
    "hyperplanes",
    "subspace_polytope",
)


@pytest.mark.parametrize("name", OVER_TIME)
def test_a_member_that_lacks_frames_is_not_followed_over_time(name):
    ds = data(name)
    for keep in (ds.step > 1, ds.step < 4, ds.step != 2):
        with pytest.raises(InvalidInput, match="some frames are NaN"):
            measured(name, ds.assign(position=ds.position.where(keep)))


@pytest.mark.parametrize("name", NAMES)
def test_a_member_that_is_nan_throughout_has_no_numbers(name):
    ds = data(name)
    ds = ds if ds.sizes["seed"] == 2 else xr.concat([ds, ds.assign_coords(seed=[9])], dim="seed")
    ds = ds.chunk()
    without = measured(name, ds.assign(position=ds.position.where(ds.seed == ds.seed[0]))).compute()
    for array, whole in zip(arrays(without), arrays(measured(name, ds).compute()), strict=True):
        if "seed" in array.dims:
            there, absent = array.isel(seed=0), array.isel(seed=1)
            np.testing.assert_array_equal(there, whole.isel(seed=0))
            fill = {"f": np.nan, "i": -1, "u": 0, "b": False}[array.dtype.kind]
            assert np.array_equal(absent, np.full(absent.shape, fill), equal_nan=array.dtype.kind == "f"), array.name


def test_nothing_is_relative_to_a_first_frame_that_is_not_there():
    volume = lmdata.hull_volume(LOCALMAX.assign(position=LOCALMAX.position.where(LOCALMAX.step > 0)))
    assert np.isnan(volume).all()
