"""One check of every measure's output, for all measures: laziness, chunking, names, dims, coordinates, attributes."""

from __future__ import annotations

import itertools

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis import hull_decay
from lmdata.data import registry
from lmdata.errors import InvalidInput

SWEPT = ("alignment_sensitivity", "influence")

MEASURES = {
    "hull_volume": lmdata.hull_volume,
    "hull_volume_absolute": lambda ds: lmdata.hull_volume(ds, relative=False),
    "hull_decay": hull_decay,
    "mean_width": lambda ds: lmdata.mean_width(ds, directions=16),
    "limit_polytope": lmdata.limit_polytope,
    "occupancy_radius": lmdata.vertex_occupancy,
    "occupancy_region": lambda ds: lmdata.vertex_occupancy(ds, definition="region"),
    "quiescent_sets": lmdata.quiescent_sets,
    "interaction": lmdata.interaction,
    "leaders": lmdata.leaders,
    "convergence": lmdata.convergence,
    "lyapunov": lmdata.lyapunov,
}
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@pytest.fixture(scope="module")
def swept():
    """A sweep of two parameters and three seeds, in the plane, with words for tokens."""
    source = lmdata.tokens.uniform(7, 2)
    tokens = np.stack([source.draw(seed) for seed in range(3)])
    ds = lmdata.simulate(
        lmdata.Localmax(alignment=[[2.0, 0.5], [0.5, 1.0]]),
        tokens,
        steps=12,
        seeds=range(3),
        sweep={"alignment_sensitivity": [0, 0.2], "influence": [0.5, 2.0]},
    )
    return ds.assign_coords(token=["the", "river", "runs", "to", "the·2", "blue", "sea"])


def arrays(result: xr.Dataset | xr.DataArray) -> dict[str, xr.DataArray]:
    """Return what a measure computed, by name: data variables and computed coordinates."""
    if isinstance(result, xr.DataArray):
        result = result.to_dataset().reset_coords(
            [name for name in result.coords if name in registry.VARIABLES and registry.variable(name).role == "measure"]
        )
    return dict(result.data_vars)


def raising(graph, keys, **_):
    raise AssertionError("a measure computed something")


@every_measure
def test_names_dims_types_and_attributes_are_the_declared_ones(measure, swept):
    found = arrays(measure(swept))
    assert found
    for name, array in found.items():
        spec = registry.variable(name)
        assert spec.role == "measure"
        assert array.dims == spec.dimensions(SWEPT)
        assert array.dtype == np.dtype(spec.dtype)
        assert array.attrs["long_name"].startswith(spec.long_name)
        assert array.attrs.get("units") == spec.units
        assert "arXiv" in array.attrs["source"] or name.startswith(("hull", "mean"))
        if spec.flags:
            assert len(array.attrs["flag_values"]) == len(array.attrs["flag_meanings"].split())


@every_measure
def test_coordinates_are_kept_and_the_input_is_untouched(measure, swept):
    before = swept.copy(deep=True)
    result = measure(swept)
    xr.testing.assert_identical(swept, before)
    for dim in set(result.dims) & set(swept.dims):
        xr.testing.assert_identical(result[dim], swept[dim])
    for dim in set(result.dims) - set(swept.dims):
        assert dim in result.indexes
    xr.testing.assert_equal(result["status"].reset_coords(drop=True), swept["status"].reset_coords(drop=True))


@every_measure
def test_nothing_is_computed(measure, swept):
    lazy = swept.chunk({"seed": 1, "time": 5})
    with dask.config.set(scheduler=raising):
        found = arrays(measure(lazy))
    for name, array in found.items():
        if name != "rate_expected":
            assert dask.is_dask_collection(array.data), name


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A small sweep as it comes from a store, and the same in memory."""
    settings = {"steps": 6, "seeds": range(2), "sweep": {"alignment_sensitivity": [0, 0.3]}}
    model, tokens = lmdata.Localmax(), lmdata.tokens.uniform(5, 2)
    place = tmp_path_factory.mktemp("analysis") / "run"
    return lmdata.simulate(model, tokens, **settings, store=place), lmdata.simulate(model, tokens, **settings)


@every_measure
def test_a_stored_dataset_is_measured_lazily_and_alike(measure, stored):
    opened, in_memory = stored
    with dask.config.set(scheduler=raising):
        result = measure(opened)
    for name, array in arrays(result).items():
        assert name == "rate_expected" or dask.is_dask_collection(array.data), name
    xr.testing.assert_identical(result.compute(), measure(in_memory))


@st.composite
def chunkings(draw, sizes):
    """Draw chunks of the swept, seed and time dimensions, of any pattern."""
    chunks = {}
    for dim in (*SWEPT, "seed", "time"):
        cuts = draw(st.sets(st.integers(1, sizes[dim] - 1))) if sizes[dim] > 1 else set()
        edges = [0, *sorted(cuts), sizes[dim]]
        chunks[dim] = tuple(b - a for a, b in itertools.pairwise(edges))
    return chunks


@every_measure
@given(data=st.data())
@settings(max_examples=6, deadline=None, derandomize=True)
def test_the_result_does_not_depend_on_chunks(measure, swept, data):
    chunked = swept.chunk(data.draw(chunkings(swept.sizes)))
    with dask.config.set(scheduler="synchronous"):
        xr.testing.assert_identical(measure(chunked).compute(), measure(swept))


@every_measure
def test_a_part_has_the_values_of_the_whole(measure, swept):
    whole, place = measure(swept), {"alignment_sensitivity": 1, "influence": 0, "seed": 2}
    part = measure(swept.isel(place))
    for name, array in arrays(part).items():
        expected = arrays(whole)[name]
        np.testing.assert_array_equal(
            array, expected.isel({dim: i for dim, i in place.items() if dim in expected.dims})
        )


@every_measure
def test_absent_and_failed_members_have_no_numbers(measure, swept):
    holes = {(0, 1, 2): registry.ABSENT, (1, 0, 0): registry.FAILED}
    status = swept["status"].copy()
    for place, value in holes.items():
        status[place] = value
    complete = (status == registry.COMPLETE).reset_coords(drop=True)
    whole, found = arrays(measure(swept)), arrays(measure(swept.assign(status=status)))
    for name in set(found) - {"rate_expected"}:
        array, expected = found[name].reset_coords(drop=True), whole[name].reset_coords(drop=True)
        fill = {"f": np.nan, "i": -1, "u": 0, "b": False}[array.dtype.kind]
        for place in holes:
            assert (array[place].isnull() if fill is np.nan else array[place] == fill).all(), name
        xr.testing.assert_equal(array.where(complete), expected.where(complete))


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
@pytest.mark.parametrize("steps", [0, 1, 8])
def test_degenerate_sets_are_ordinary(measure, tokens, steps):
    result = measure(lmdata.simulate(lmdata.Localmax(alignment_sensitivity=0.1), tokens, steps=steps))
    for name, array in arrays(result).items():
        assert array.dtype == np.dtype(registry.variable(name).dtype)


@every_measure
def test_every_k_steps_measures_the_same_frames(measure, swept):
    kept = measure(swept.isel(time=[0, 4, 8, 12]))
    assert all(array.sizes.get("time", 4) == 4 for array in arrays(kept).values())


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("hull_volume", lmdata.hull_volume),
        ("leader", lmdata.leaders),
        ("neighbour_count", lmdata.interaction),
        ("energy", lmdata.lyapunov),
    ],
)
def test_measures_of_one_frame_do_not_depend_on_the_others(name, measure, swept):
    frames = [0, 3, 12]
    kept, all_frames = arrays(measure(swept.isel(time=frames))), arrays(measure(swept))
    np.testing.assert_array_equal(kept[name], all_frames[name].isel(time=frames))


@every_measure
def test_what_is_no_dataset_of_ours_is_refused(measure, swept):
    for wrong, words in [
        (swept["position"], "xarray.Dataset"),
        (xr.Dataset({"position": swept["position"]}), "lmdata_schema"),
        (swept.drop_vars("status"), "status"),
        (swept.isel(time=0), "time"),
        (swept.isel(token=0), "token"),
    ]:
        with pytest.raises(InvalidInput, match=words):
            measure(wrong)
