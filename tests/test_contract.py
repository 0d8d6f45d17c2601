"""What holds for every measure and every model, whichever they are: nothing here lists them but for what they need.

A new measure or model is driven by these tests as it stands; one that cannot be made or called without arguments says
so here.
"""

from __future__ import annotations

import inspect
import itertools
import json

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
import lmdata.analysis
from lmdata.data import registry
from lmdata.dynamics.kinds import full_name
from lmdata.dynamics.model import MODELS, model_from_specification
from lmdata.dynamics.models import base
from lmdata.dynamics.models.sphere_attention import SphereFlow
from lmdata.errors import InvalidInput

ARGUMENTS = {
    "noisy": {"model": lmdata.Localmax(0.1), "scale": 0.05},
    "self-attention": {"values": [[1.0, 0.2], [0.0, 0.5]]},
}
"""What a model cannot be made without, or is worth making with."""
TOKENS = {
    "circle-density": lmdata.tokens.array([[0.1], [0.3], [0.2], [0.1], [0.3]]),
    "normalised-attention": lmdata.tokens.sphere(5, 2),
    "sphere-density": lmdata.tokens.density(32, [0.3], surface="sphere"),
}
"""Where a model starts, unless from anywhere in the plane, or on the sphere."""
OF_NO_DATASET = {
    *("equiangular_alignment", "equiangular_curve", "gaussian_closure"),
    *("antipodal_probability", "critical_strength", "predicted_clusters", "tricritical_temperature", "uniform_growth"),
    *("layer_alignment", "merging_time", "retrieval_limit", "retrieval_theory", "retrieval_turn"),
}
"""Functions of `lmdata.analysis` that take parameters alone."""
CALLS = {
    "dominance_cells": [lambda ds: lmdata.dominance_cells(ds, np.eye(ds.sizes["component"]))],
    "energy_distance": [lambda ds: lmdata.energy_distance(ds, ds.assign(position=-ds["position"]))],
    "hull_volume": [lmdata.hull_volume, lambda ds: lmdata.hull_volume(ds, relative=False)],
    "mean_width": [lambda ds: lmdata.mean_width(ds, directions=16)],
    "rescaled_time": [lambda ds: lmdata.rescaled_time(ds, reach=0.1)],
    "transport_distance": [lambda ds: lmdata.transport_distance(ds, ds.assign(position=-ds["position"]))],
    "vertex_occupancy": [lmdata.vertex_occupancy, lambda ds: lmdata.vertex_occupancy(ds, definition="region")],
}
"""Measures that take more than a dataset, or that are worth calling in several ways."""
OF_SEVERAL_FRAMES = {
    "displacement": "the frame before",
    "cluster_merges": "the frame before",
    "cluster_births": "the frame before",
    "clusters_kept": "the frame before",
    "effective_time": "the frame after",
    "flow_residual": "the frame after",
    "dissipation_residual": "the frame after",
    "occupancy": "the limit, to which the last frames lead",
    "occupancy_entropy": "the limit",
    "closed": "the limit",
    "quiescent": "the frames after",
    "s1_size": "the frames after",
    "s1_to_s2": "the last, which tells S1",
    "s2_to_s1": "the last, which tells S1",
    "s2_to_s2": "the last, which tells S1",
    "retrieval": "the first",
    "rescaled_time": "those before",
    "interaction_energy": "nothing, but is relative to the first",
}
"""Variables along time whose value at a frame depends on others, and on which."""
NOT_BY_MEMBER = {"rate_expected"}
"""Variables of the parameters alone: they are there for members that are not."""

NAMES = [name for name in lmdata.analysis.__all__ if name not in OF_NO_DATASET]
WAYS = [
    pytest.param(name, call, id=f"{name}-{i}" if i else name)
    for name in NAMES
    for i, call in enumerate(CALLS.get(name, [getattr(lmdata.analysis, name)]))
]
every_measure = pytest.mark.parametrize(("name", "measure"), WAYS)
OWN = [kind for kind in MODELS if MODELS[kind].__module__.startswith("lmdata.")]
every_model = pytest.mark.parametrize("kind", OWN)
PAIRS = [
    # by default each measure meets every tenth model, and each model every tenth measure; a quarter of all pairs in
    # the long tests: the whole table takes half an hour
    pytest.param(kind, *way.values, id=f"{way.id}-{kind}", marks=() if (i + j) % 10 == 0 else pytest.mark.long)
    for i, kind in enumerate(OWN)
    for j, way in enumerate(WAYS)
    if (i + j) % 10 in (0, 3, 7) or (i - j) % 20 == 5
]


def model_of(kind):
    return MODELS[kind](**ARGUMENTS.get(kind, {}))


def tokens_of(model):
    if model.kind in TOKENS:
        return TOKENS[model.kind]
    return lmdata.tokens.sphere(5, 2) if isinstance(model, SphereFlow) else lmdata.tokens.uniform(5, 2)


def raising(graph, keys, **_):
    raise AssertionError("something was computed")


@pytest.fixture(scope="module")
def simulated():
    """A small sweep of each model, made when it is first asked for."""
    made = {}

    def of(kind):
        if kind not in made:
            model = model_of(kind)
            name = model.sweepable[0]
            value = getattr(model, name, None) or 0.5
            sweep = {name: [0.5 * value, value]}
            made[kind] = lmdata.simulate(model, tokens_of(model), steps=6, seeds=range(3), sweep=sweep, record=2)
        return made[kind]

    return of


@pytest.fixture(scope="module")
def home(simulated):
    """A dataset that a measure takes: of the first model whose states and dynamics it is about."""
    found = {}
    swept = lmdata.simulate(
        lmdata.Localmax(alignment=[[2.0, 0.5], [0.5, 1.0]]),
        lmdata.tokens.uniform(7, 2),
        steps=12,
        seeds=range(3),
        sweep={"alignment_sensitivity": [0, 0.2], "influence": [0.5, 2.0]},
    )
    with_words = swept.assign_coords(token=["the", "river", "runs", "to", "the·2", "blue", "sea"])

    def of(measure):
        if measure not in found:
            for dataset in (lambda: with_words, *(lambda kind=kind: simulated(kind) for kind in OWN)):
                if not isinstance(outcome(measure, dataset()), InvalidInput):
                    found[measure] = dataset()
                    break
        return found[measure]

    return of


def outcome(measure, ds):
    """Return what a measure gives, or that it refuses."""
    try:
        return measure(ds)
    except InvalidInput as error:
        return error


def arrays(result):
    """Return what a measure computed, by name: data variables and computed coordinates."""
    if isinstance(result, xr.DataArray):
        result = result.to_dataset().reset_coords(
            [name for name in result.coords if name in registry.VARIABLES and registry.variable(name).role == "measure"]
        )
    return dict(result.data_vars)


def swept_of(ds):
    return tuple(dim for dim in ds.position.dims if dim not in ("seed", "time", "token", "component"))


def check_declared(result, ds):
    found = arrays(result)
    assert found
    for name, array in found.items():
        spec = registry.variable(name)
        assert spec.role == "measure"
        assert array.dims == spec.dimensions(swept_of(ds))
        assert array.dtype == np.dtype(spec.dtype)
        assert array.attrs["long_name"].startswith(spec.long_name)
        units = ds["time"].attrs["units"] if spec.units == "step" else spec.units
        assert array.attrs.get("units") == units
        assert array.attrs["source"]
        if spec.flags:
            assert len(array.attrs["flag_values"]) == len(array.attrs["flag_meanings"].split())


# --- every measure on every model ---


@pytest.mark.parametrize(("kind", "name", "measure"), PAIRS)
def test_a_measure_of_a_model_is_declared_lazy_and_the_same_in_chunks_or_refused(kind, name, measure, simulated):
    ds = simulated(kind)
    lazy = ds.chunk(dict.fromkeys(swept_of(ds), 1) | {"seed": 2, "time": 3, "token": -1, "component": -1})
    eager = outcome(measure, ds)
    with dask.config.set(scheduler=raising):
        result = outcome(measure, lazy)
    if isinstance(eager, InvalidInput):
        assert str(result) == str(eager)
        return
    check_declared(eager, ds)
    for variable, array in arrays(result).items():
        assert variable in NOT_BY_MEMBER or dask.is_dask_collection(array.data), variable
    with dask.config.set(scheduler="synchronous"):
        xr.testing.assert_identical(result.compute(), eager)


def test_the_list_of_measures_is_that_of_the_package():
    assert set(CALLS) <= set(NAMES)
    assert {name for name in NAMES if not hasattr(getattr(lmdata.analysis, name), "variables")} == set()
    assert all(hasattr(lmdata.analysis, name) for name in OF_NO_DATASET)
    declared = {variable for name in NAMES for variable in getattr(lmdata.analysis, name).variables}
    assert declared >= set(OF_SEVERAL_FRAMES) | NOT_BY_MEMBER


# --- every measure ---


@every_measure
def test_a_measure_takes_the_states_of_some_model_and_makes_what_it_declares(name, measure, home):
    result = measure(home(measure))
    check_declared(result, home(measure))
    assert set(getattr(lmdata.analysis, name).variables) & set(arrays(result))


@every_measure
def test_coordinates_are_kept_and_the_input_is_untouched(name, measure, home):
    ds = home(measure)
    before = ds.copy(deep=True)
    result = measure(ds)
    xr.testing.assert_identical(ds, before)
    for dim in set(result.dims) & set(ds.dims):
        xr.testing.assert_identical(result[dim].reset_coords(drop=True), ds[dim].reset_coords(drop=True))
    for dim in set(result.dims) - set(ds.dims):
        assert dim in result.indexes
    xr.testing.assert_equal(result["status"].reset_coords(drop=True), ds["status"].reset_coords(drop=True))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Datasets in stores."""
    opened = {}

    def of(ds):
        key = ds.attrs["recipe_id"]
        if key not in opened:
            recipe = json.loads(ds.attrs["recipe"])
            given = TOKENS.get(recipe["model"]["kind"])
            opened[key] = lmdata.simulate(
                model_from_specification(recipe["model"]),
                given or lmdata.tokens.source_from_specification(recipe["tokens"]),
                **{name: recipe[name] for name in ("steps", "seeds", "record")},
                sweep=dict(recipe["sweep"]),
                store=tmp_path_factory.mktemp("contract") / "run",
            )
        return opened[key]

    return of


@every_measure
def test_a_stored_dataset_is_measured_lazily_and_alike(name, measure, home, kept):
    ds = home(measure)
    with dask.config.set(scheduler=raising):
        result = measure(kept(ds))
        if name not in ("energy_distance", "transport_distance"):  # which have the coordinates of two datasets
            kept(ds).merge(result)  # xarray warns if a coordinate has to be compared
    for variable, array in arrays(result).items():
        assert variable in NOT_BY_MEMBER or dask.is_dask_collection(array.data), variable
    in_memory = measure(ds.assign_coords(token=kept(ds)["token"]))
    xr.testing.assert_identical(
        result.compute().drop_vars("token", errors="ignore"), in_memory.drop_vars("token", errors="ignore")
    )


@st.composite
def chunkings(draw, sizes, dims):
    """Draw chunks of the swept, seed and time dimensions, of any pattern."""
    chunks = {}
    for dim in dims:
        cuts = draw(st.sets(st.integers(1, sizes[dim] - 1))) if sizes[dim] > 1 else set()
        edges = [0, *sorted(cuts), sizes[dim]]
        chunks[dim] = tuple(b - a for a, b in itertools.pairwise(edges))
    return chunks


@every_measure
@given(data=st.data())
@settings(max_examples=2, deadline=None, derandomize=True)
def test_the_result_does_not_depend_on_chunks(name, measure, home, data):
    ds = home(measure)
    chunked = ds.chunk(data.draw(chunkings(ds.sizes, (*swept_of(ds), "seed", "time"))))
    with dask.config.set(scheduler="synchronous"):
        xr.testing.assert_identical(measure(chunked).compute(), measure(ds))


@every_measure
def test_a_member_alone_has_the_values_that_it_has_among_others(name, measure, home):
    ds = home(measure)
    place = {dim: ds.sizes[dim] - 1 for dim in swept_of(ds)} | {"seed": 2}
    whole = arrays(measure(ds))
    for chosen in (place, {dim: [at] for dim, at in place.items()}):
        for variable, array in arrays(measure(ds.isel(chosen))).items():
            expected = whole[variable].isel({dim: at for dim, at in chosen.items() if dim in whole[variable].dims})
            np.testing.assert_array_equal(array, expected)


@every_measure
def test_absent_and_failed_members_have_no_numbers(name, measure, home):
    ds = home(measure)
    status = ds["status"].copy()
    holes = [(*(0 for _ in swept_of(ds)), 2), (*(1 for _ in swept_of(ds)), 1)]
    status[holes[0]], status[holes[1]] = registry.ABSENT, registry.FAILED
    complete = (status == registry.COMPLETE).reset_coords(drop=True)
    whole, found = arrays(measure(ds)), arrays(measure(ds.assign_coords(status=status)))
    for variable in set(found) - NOT_BY_MEMBER:
        array, expected = found[variable].reset_coords(drop=True), whole[variable].reset_coords(drop=True)
        fill = {"f": np.nan, "i": -1, "u": 0, "b": False}[array.dtype.kind]
        for place in holes:
            missing = array.isel(dict(zip((*swept_of(ds), "seed"), place, strict=True)))
            assert (missing.isnull() if fill is np.nan else missing == fill).all(), variable
        xr.testing.assert_equal(array.where(complete), expected.where(complete))


@every_measure
def test_some_frames_have_the_values_that_they_have_among_others(name, measure, home):
    ds = home(measure)
    frames = [0, ds.sizes["time"] // 3, ds.sizes["time"] - 1]
    whole, part = arrays(measure(ds)), arrays(measure(ds.isel(time=frames)))
    for variable, array in part.items():
        if "time" in array.dims:
            assert array.sizes["time"] == 3
            if variable not in OF_SEVERAL_FRAMES:
                np.testing.assert_array_equal(array, whole[variable].isel(time=frames), err_msg=variable)


@every_measure
def test_some_tokens_are_measured_or_refused_as_the_measure_says(name, measure, home):
    """Who is about the tokens of the run refuses some of them, unless asked for these alone; others take them."""
    part = home(measure).isel(token=[0, 2, 3])
    function = getattr(lmdata.analysis, name)
    if "among" in inspect.signature(function).parameters:
        with pytest.raises(InvalidInput, match="token"):
            measure(part)
        check_declared(function(part, among="selection"), part)
        return
    result = outcome(measure, part)
    if isinstance(result, InvalidInput):
        assert "token" in str(result)
    else:
        check_declared(result, part)


@every_measure
def test_what_is_no_dataset_of_ours_is_refused(name, measure, home):
    ds = home(measure)
    for wrong, words in [
        (xr.Dataset({"position": ds["position"]}), "lmdata_schema"),
        (ds.drop_vars("status"), "status"),
        (ds.isel(time=0), "time"),
        (ds.isel(token=0), "token"),
    ]:
        with pytest.raises(InvalidInput, match=words):
            measure(wrong)
    with pytest.raises(InvalidInput, match=r"xarray\.Dataset"):
        getattr(lmdata.analysis, name)(
            ds["position"], *([ds] if name in ("transport_distance", "energy_distance", "dominance_cells") else [])
        )


@every_measure
@pytest.mark.parametrize(
    "tokens",
    [
        [[0.3, -0.2]],
        [[0.5], [-1.0], [0.25]],
        [[0.5, 0.5]] * 4,
        [[0.0, 0.0], [1.0, 1.0], [0.5, 0.5], [1.0, 1.0]],
        [[0.0, 0.0, 0.0]] * 2,
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.5, 0.5, 0.0]],
    ],
    ids=["one token", "a line", "one point", "a segment", "the origin", "flat"],
)
def test_degenerate_sets_are_ordinary(name, measure, tokens):
    for steps in (0, 1, 8):
        ds = lmdata.simulate(lmdata.Localmax(alignment_sensitivity=0.1), tokens, steps=steps)
        result = outcome(measure, ds)
        if not isinstance(result, InvalidInput):  # not about localmax
            check_declared(result, ds)


# --- every model ---


@every_model
def test_a_model_comes_back_from_its_specification(kind):
    model = model_of(kind)
    again = model_from_specification(json.loads(json.dumps(model.specification())))
    assert again == model
    assert full_name(type(again)) == full_name(type(model))
    for name in model.sweepable:
        changed = model.with_parameter(name, 0.25)
        assert changed.specification() != model.specification()
        assert type(changed).from_specification(changed.specification()) == changed


@every_model
def test_a_member_does_not_depend_on_its_batch_and_a_run_may_be_cut_anywhere(kind):
    model = model_of(kind)
    start = np.stack([tokens_of(model).draw(seed) for seed in range(3)])
    before = start.copy()
    arguments = {"start": 0, "record": [0, 1, 4], "backend": "auto"}
    together = type(model).advance([model] * 3, start, seeds=[0, 1, 2], **arguments).position
    np.testing.assert_array_equal(start, before)
    np.testing.assert_array_equal(together[:, 0], start)
    for seed in range(3):
        alone = type(model).advance([model], start[seed : seed + 1], seeds=[seed], **arguments).position
        np.testing.assert_array_equal(alone[0], together[seed])
    later = type(model).advance([model] * 3, together[:, 1], start=1, record=[4], seeds=[0, 1, 2]).position
    np.testing.assert_array_equal(later[:, 0], together[:, 2])


@every_model
def test_a_dataset_has_what_is_declared_and_is_the_same_from_a_store(kind, simulated, kept):
    ds = simulated(kind)
    for name, array in {**ds.data_vars, **ds.coords}.items():
        if name in swept_of(ds):
            continue
        spec = registry.variable(name)
        assert spec.role != "measure"
        assert array.dims == spec.dimensions(swept_of(ds))
        assert array.attrs["long_name"] == spec.long_name
    opened = kept(ds)
    assert opened.attrs["digest"] == ds.attrs["digest"]
    xr.testing.assert_equal(opened.compute(), ds)


def test_every_model_of_the_family_is_driven():
    concrete = {cls for cls in _below(base.AttentionModel) if "kind" in vars(cls)}
    assert {full_name(cls) for cls in concrete if cls.__module__.startswith("lmdata.")} <= {
        full_name(MODELS[kind]) for kind in OWN
    }


def _below(cls):
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)
