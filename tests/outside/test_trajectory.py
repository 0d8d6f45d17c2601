"""States from elsewhere become a dataset like any other, and padding changes no number of a real token."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
import lmdata.analysis
from lmdata.data import registry
from lmdata.data.export import export_zarr, import_zarr
from lmdata.errors import CorruptDataset, InvalidInput, RecipeMismatch, StoreExists
from lmdata.outside.alone import alone

LENGTHS = (5, 2, 3)
CALLS = {
    "dominance_cells": lambda ds: lmdata.dominance_cells(ds, np.eye(ds.sizes["component"])),
    "mean_width": lambda ds: lmdata.mean_width(ds, directions=16),
    "energy_distance": lambda ds: lmdata.energy_distance(ds, ds.assign(position=-ds["position"])),
    "rescaled_time": lambda ds: lmdata.rescaled_time(ds, 4.0),
    "transport_distance": lambda ds: lmdata.transport_distance(ds, ds.assign(position=-ds["position"])),
}
MEASURES = {
    name: CALLS.get(name, getattr(lmdata.analysis, name))
    for name in lmdata.analysis.__all__
    if hasattr(getattr(lmdata.analysis, name), "variables")
}
MODEL = lmdata.Localmax(0.2)
OF_FEW_COMPONENTS = {"kernel_modes", "second_variation"}
"""Those of the line and the circle, and those that take eigenvalues over all components of all tokens."""
OF_OTHER_DYNAMICS = {"hyperplanes", "influence", "rollout", "subspace_polytope"}
"""Measures of the steps of a run's own model, or of rescaled self-attention; they refuse states from elsewhere."""


def runs(lengths=LENGTHS, frames=4, d=2, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(frames, n, d)).astype(dtype) for n in lengths]


def arrays(result):
    return dict((result.to_dataset(name=result.name) if isinstance(result, xr.DataArray) else result).data_vars)


def outcome(measure, ds):
    try:
        return measure(ds)
    except InvalidInput as error:
        return error


def check_padding(measure, whole, alone):
    """Check that each run has the numbers that it has alone, and nothing at the tokens that it has not."""
    found = arrays(measure(whole))
    for run, ds in enumerate(alone):
        for name, expected in arrays(measure(ds)).items():
            own = found[name].isel(seed=[run]) if "seed" in found[name].dims else found[name]
            places = {dim: slice(0, expected.sizes[dim]) for dim in expected.dims if dim not in ("seed", "time")}
            np.testing.assert_array_equal(own.isel(places), expected, err_msg=f"{name} of run {run}")
            if "token" in expected.dims:
                rest = own.isel(token=slice(expected.sizes["token"], None))
                fill = {"f": np.nan, "i": -1, "b": False}[rest.dtype.kind]
                np.testing.assert_array_equal(rest, np.full(rest.shape, fill, rest.dtype), err_msg=name)


@pytest.mark.parametrize("name", MEASURES)
def test_padding_never_changes_a_number(name):
    states = runs()
    whole, *alone = datasets = [lmdata.from_trajectory(states), *map(lmdata.from_trajectory, states)]
    if isinstance(refused := outcome(MEASURES[name], whole), InvalidInput):
        assert name in str(refused)
        assert "came from elsewhere" in str(refused)
        whole, *alone = (lmdata.with_model(ds, MODEL) for ds in datasets)
        if isinstance(refused := outcome(MEASURES[name], whole), InvalidInput):
            assert name in OF_OTHER_DYNAMICS
            assert str(outcome(MEASURES[name], alone[0])) == str(refused)
            return
    check_padding(MEASURES[name], whole, alone)
    with dask.config.set(scheduler="synchronous"):
        lazy = MEASURES[name](whole.chunk({"seed": 2, "time": 3}))
        xr.testing.assert_identical(lazy.compute(), MEASURES[name](whole))


def test_sums_over_vertices_are_in_the_order_that_a_run_has_alone():
    """Zeros behind the last summand change how numpy groups eight and more of them, and so the last bit."""
    angles = [2 * np.pi * np.arange(n) / n for n in (40, *range(9, 24))]
    circles = [np.stack([np.cos(angle), np.sin(angle)], axis=-1) for angle in angles]
    states = [np.stack([np.roll(circle, 1, axis=0) * 0.9, circle]) for circle in circles]
    datasets = [lmdata.from_trajectory(states), *map(lmdata.from_trajectory, states)]
    whole, *singles = (lmdata.with_model(ds, MODEL) for ds in datasets)
    check_padding(lmdata.vertex_occupancy, whole, singles)


def padded_anyhow(data, states, weights, junk):
    """Return runs in one array, tokens at places that are drawn and in their order, among padding that holds junk."""
    lengths, n = [own.shape[1] for own in states], data.draw(st.integers(max(own.shape[1] for own in states), 7))
    padded = np.full((len(states), *states[0].shape[:1], n, states[0].shape[2]), junk, states[0].dtype)
    attention = np.full((len(states), *weights[0].shape[:2], n, n), junk)
    present = np.zeros((len(states), n), bool)
    for run, (own, given_weights) in enumerate(zip(states, weights, strict=True)):
        places = sorted(data.draw(st.permutations(range(n)))[: lengths[run]])
        padded[run][:, places] = own
        attention[run][..., np.array(places)[:, None], places] = given_weights
        present[run, places] = True
    return lmdata.from_trajectory(padded, present=present, attention=attention), present


def check_property(data, names):
    """Check that numbers of tokens and runs do not depend on what pads them, nor on where; under attention or a model.

    Places of the tokens in the array count for what looks back by place, and for nothing else.
    """
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    states = runs(lengths, dtype=np.float64)
    weights = [np.random.default_rng(n).dirichlet(np.ones(n), size=(3, 2, n)) for n in lengths]
    ds, present = padded_anyhow(data, states, weights, data.draw(st.sampled_from([0.0, 1e30, np.nan, np.inf])))
    singles = [lmdata.from_trajectory(own, attention=w) for own, w in zip(states, weights, strict=True)]
    if data.draw(st.booleans()):
        ds, *singles = (lmdata.with_model(one, MODEL) for one in (ds, *singles))
    name = data.draw(st.sampled_from(names))
    whole = outcome(MEASURES[name], ds)
    for run, single in enumerate(singles):
        alone = outcome(MEASURES[name], single)
        if isinstance(whole, InvalidInput):
            assert str(alone) == str(whole)
            continue
        own = np.flatnonzero(present[run])
        for variable, expected in arrays(alone).items():
            if variable == "attended_back":
                continue
            found = arrays(whole)[variable]
            found = found.isel(seed=[run]) if "seed" in found.dims else found
            places = {dim: own for dim in ("token", "key", "source") if dim in expected.dims}
            places |= {dim: slice(size) for dim, size in expected.sizes.items() if dim not in (*places, "seed", "time")}
            np.testing.assert_array_equal(found.isel(places), expected, err_msg=f"{name}: {variable} of run {run}")


@given(data=st.data())
@settings(max_examples=12, deadline=None, derandomize=True)
def test_what_pads_is_never_looked_at(data):
    check_property(data, ["cluster_counts", "pair_alignment", "span_dimension", "leaders", "rollout"])


@pytest.mark.long
@given(data=st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_pads_is_never_looked_at_by_any_measure(data):
    check_property(data, sorted(MEASURES))


def test_a_store_has_what_memory_has_and_is_verified(tmp_path):
    attention = [np.random.default_rng(1).random((3, 2, n, n)) for n in LENGTHS]
    words = [["a"] * n for n in LENGTHS]
    arguments = {"token": words, "attention": attention, "source": {"name": "x"}}
    stored = lmdata.from_trajectory(runs(), **arguments, store=tmp_path / "s")
    made = lmdata.from_trajectory(runs(), **arguments)
    xr.testing.assert_equal(stored.compute(), made)
    assert stored.attrs["digest"] == made.attrs["digest"]
    assert lmdata.verify(tmp_path / "s").ok
    for name, array in {**made.data_vars, **made.coords}.items():
        spec = registry.TRAJECTORY.get(name) or registry.variable(name)
        assert array.dims == spec.dimensions(())
    with pytest.raises(StoreExists):
        lmdata.from_trajectory(runs(), store=tmp_path / "s")
    with pytest.raises(RecipeMismatch, match="nothing to compute"):
        lmdata.resume(tmp_path / "s")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"position": np.ones((2, 3))}, r"\(2, 3\)"),
        ({"position": np.full((2, 3, 1), np.nan)}, r"position\[0, 0, 0, 0\] is nan"),
        ({"position": np.ones((2, 3, 1), complex)}, "complex128"),
        ({"position": np.array([[[object()]]])}, "object"),
        ({"position": np.ones((2, 3, 1)), "dims": ("a", "token", "component")}, "layer and time"),
        ({"position": np.ones((2, 3, 1)), "token": ["a", "b"]}, "2 labels"),
        ({"position": np.ones((1, 2, 3, 1)), "token": [["a", "b"], ["c"]]}, "2 runs"),
        ({"position": np.ones((2, 3, 1)), "attention": np.ones((2, 1, 3, 2))}, "attention has shape"),
        ({"position": np.ones((2, 3, 1)), "attention": np.full((2, 1, 3, 3), np.inf)}, "attention.* is inf"),
        ({"position": np.ones((2, 3, 1)), "present": [1, 1]}, "present has shape"),
        ({"position": np.ones((2, 3, 1)), "present": [0, 0, 0]}, "no|at least one token"),
        ({"position": np.ones((2, 3, 1)), "present": [0, 1, 2]}, "mask"),
        ({"position": np.ones((2, 3, 1)), "time": [1, 1]}, "ascending"),
        ({"position": np.ones((2, 3, 1)), "without": ["[SEP]"]}, "no texts"),
        ({"position": np.ones((2, 1, 1)), "without": [0]}, "leaves run"),
        ({"position": np.zeros((2, 3, 1)), "frame": "sphere"}, "no direction"),
        ({"position": [np.ones((2, 3, 1)), np.ones((3, 3, 1))]}, "number of tokens"),
        ({"position": np.ones((2, 3, 1)), "source": {"name": {1}}}, "canonical JSON"),
    ],
)
def test_what_disagrees_is_refused_and_nothing_is_written(arguments, words, tmp_path):
    with pytest.raises(InvalidInput, match=words):
        lmdata.from_trajectory(**arguments, store=tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


# --- what the rest of the package makes of it ---


def test_a_damaged_store_is_noticed_and_left_as_it_is(tmp_path):
    lmdata.from_trajectory(runs(d=384), store=tmp_path / "s")
    chunk = max((tmp_path / "s" / "chunks").iterdir(), key=lambda file: file.stat().st_size)
    found = bytearray(chunk.read_bytes())
    found[len(found) // 2] ^= 1
    chunk.write_bytes(found)
    report = lmdata.verify(tmp_path / "s")
    assert {problem.kind for problem in report.problems} == {"damaged"}
    assert "repair" not in report.advice
    with pytest.raises(CorruptDataset, match="from elsewhere"):
        lmdata.repair(tmp_path / "s")
    assert lmdata.verify(tmp_path / "s").problems == report.problems


def test_it_is_exported_and_imported_as_it_is(tmp_path):
    words = [list("abcde"), list("ab"), list("xyz")]
    made = lmdata.from_trajectory(runs(), token=words, store=tmp_path / "s").compute()
    export_zarr(tmp_path / "s", tmp_path / "e")
    import_zarr(tmp_path / "e", tmp_path / "i")
    for copy in (tmp_path / "e", tmp_path / "i"):
        assert lmdata.verify(copy).ok
        xr.testing.assert_equal(lmdata.open(copy).compute(), made)


def test_what_is_about_the_steps_of_a_model_refuses_states_from_elsewhere():
    ds = lmdata.with_model(lmdata.from_trajectory(runs(dtype=np.float64)), MODEL)
    for function in (lmdata.certify, lmdata.rollout, lmdata.influence, lambda ds: lmdata.continue_to(ds, 9)):
        with pytest.raises(InvalidInput, match="moved by something else"):
            function(ds)


def test_one_run_alone_has_its_words_and_its_numbers():
    states = runs()
    whole = lmdata.from_trajectory(states, token=[["a", "b", "c", "d", "a"], ["b", "a"], ["x", "y", "z"]])
    for run, own in enumerate(states):
        one = alone(whole.isel(seed=[run]))
        np.testing.assert_array_equal(one.position[0], own)
        under = lmdata.with_model(one, MODEL)
        expected = lmdata.leaders(lmdata.with_model(lmdata.from_trajectory(own), MODEL))
        np.testing.assert_array_equal(lmdata.leaders(under), expected)
    assert alone(whole.isel(seed=[0])).token.values.tolist() == ["a@1", "b", "c", "d", "a@5"]
    with pytest.raises(InvalidInput, match="select one"):
        alone(whole)


def test_one_run_alone_has_the_tokens_that_are_there_wherever_they_stand():
    random, labels = np.random.default_rng(4), [["a", "b", "c", "d"], ["e", "f", "g", "h"]]
    states, weights = random.normal(size=(2, 3, 4, 2)), random.dirichlet(np.ones(4), size=(2, 2, 1, 4))
    present = np.array([[True, False, True, True], [False, True, True, False]])
    weights = np.where(present[:, None, None, None], weights, 0.0)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    whole = lmdata.from_trajectory(states, token=labels, present=present, attention=weights)
    for run, there in enumerate(present):
        one, words = alone(whole.isel(seed=[run])), np.array(labels[run])[there].tolist()
        assert (one.token.values.tolist(), one.key.values.tolist()) == (words, words)
        np.testing.assert_array_equal(one.position[0], states[run][:, there])
        np.testing.assert_array_equal(one.attention[0, :-1], weights[run][..., there, :][..., there])


def test_figures_show_the_tokens_that_a_run_has():
    view = pytest.importorskip("lmdata.view", exc_type=ImportError)
    from lmdata.view.members import Members

    whole = lmdata.from_trajectory(runs(), token=[list("abcde"), ["fox", "dog"], list("xyz")], source={"name": "tale"})
    member = Members(whole)({"seed": 1})
    assert member.names.tolist() == ["fox", "dog"]
    assert np.isfinite(member.position).all()
    assert member.title("Words", time=2).split("\n") == ["Words · tale", "seed 1 · layer 2"]
    assert type(view.words(whole.isel(seed=[1]), time=2)).__name__ == "Overlay"


def test_clouds_of_other_tokens_are_not_compared():
    one, other = lmdata.from_trajectory(runs()), lmdata.from_trajectory(runs((5, 3, 2)))
    assert lmdata.transport_distance(one, one).max() == 0
    with pytest.raises(InvalidInput, match="token_present"):
        lmdata.transport_distance(one, other)
    with pytest.raises(InvalidInput, match="token_present"):
        lmdata.transport_distance(one, lmdata.from_trajectory(runs((5, 5, 5))))


def test_without_its_mask_padding_is_refused_and_not_measured():
    bare = lmdata.from_trajectory(runs()).drop_vars("token_present")
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        lmdata.mean_width(bare)


@pytest.mark.long
@pytest.mark.parametrize("name", MEASURES)
def test_hidden_states_of_384_components_are_measured_or_refused(name):
    """Three padded runs of 50, 31 and 12 tokens in 7 layers: with their attention, or under a model."""
    random, lengths = np.random.default_rng(0), (50, 31, 12)
    padded = random.normal(size=(3, 7, 50, 384))
    weights = random.dirichlet(np.ones(50), size=(3, 6, 2, 50))
    present = np.arange(50) < np.array(lengths)[:, None]
    datasets = [
        lmdata.from_trajectory(padded, present=present, attention=weights),
        *(
            lmdata.from_trajectory(padded[run][:, :n], attention=weights[run][..., :n, :n])
            for run, n in enumerate(lengths)
        ),
    ]
    refused = outcome(MEASURES[name], datasets[0])
    if not isinstance(refused, InvalidInput):
        check_padding(MEASURES[name], datasets[0], datasets[1:])
        return
    assert name in str(refused)
    if name in OF_FEW_COMPONENTS:
        assert "384 components" in str(refused)
        return
    assert "came from elsewhere" in str(refused)
    under = [lmdata.with_model(ds, MODEL) for ds in datasets]
    if isinstance(refused := outcome(MEASURES[name], under[0]), InvalidInput):
        assert name in OF_OTHER_DYNAMICS
        assert name in str(refused)
    else:
        check_padding(MEASURES[name], under[0], under[1:])
