"""Whose parameters, which step, who was there: read from what follows the positions, whatever became of the labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lmdata
from lmdata import analysis
from lmdata.analysis import attention, attention_statistics
from lmdata.dynamics.models import CircleDensityFlow, Softmax, SphereAttention
from lmdata.errors import InvalidInput, UnknownName

A = [[2.0, 0.5], [0.5, 1.0]]
TOKENS = lmdata.tokens.uniform(7, 2)
SWEEP = {"alignment_sensitivity": [0.0, 0.1, 0.4], "influence": [0.5, 2.0]}


@pytest.fixture(scope="module")
def swept():
    return lmdata.simulate(lmdata.Localmax(alignment=A), TOKENS, steps=5, seeds=range(2), sweep=SWEEP)


@pytest.fixture(scope="module")
def scheduled():
    model = lmdata.Localmax(lmdata.schedules.Geometric(1.0, 0.6))
    return lmdata.simulate(model, TOKENS, steps=8, record=2)


def counts(ds, **options):
    return lmdata.interaction(ds, **options).neighbour_count.values


RELABELLED = {
    "dropped with the selection": lambda ds: ds.isel(alignment_sensitivity=[1], influence=[0]).squeeze(
        ["alignment_sensitivity", "influence"], drop=True
    ),
    "dropped by name": lambda ds: ds.isel(alignment_sensitivity=1, influence=0).drop_vars(list(SWEEP)),
    "renamed": lambda ds: ds.isel(alignment_sensitivity=1, influence=0).rename(alignment_sensitivity="delta"),
    "in words": lambda ds: (
        ds.isel(influence=0)
        .assign_coords(alignment_sensitivity=["no", "a little", "much"])
        .sel(alignment_sensitivity="a little")
    ),
    "per cent": lambda ds: (
        ds.isel(influence=0)
        .assign_coords(alignment_sensitivity=ds.alignment_sensitivity * 100)
        .isel(alignment_sensitivity=1)
    ),
    "turned round": lambda ds: (
        ds.isel(influence=0)
        .assign_coords(alignment_sensitivity=ds.alignment_sensitivity.values[::-1])
        .isel(alignment_sensitivity=1)
    ),
    "as an own column": lambda ds: ds.isel(alignment_sensitivity=1, influence=0).assign_coords(influence=77.0),
}


@pytest.mark.parametrize("act", RELABELLED.values(), ids=RELABELLED)
def test_labels_decide_no_number(act, swept):
    part = act(swept)
    np.testing.assert_array_equal(counts(part), counts(swept)[1, 0])
    assert lmdata.convergence(part).rate_expected == 1 / 1.5


def test_what_is_no_longer_known_is_refused(swept):
    gone = swept.isel(alignment_sensitivity=1, influence=0, seed=0, drop=True)
    for part in (gone, swept.drop_vars("model_id"), swept.drop_vars("step"), swept.mean("influence")):
        with pytest.raises(InvalidInput, match=r"dropped|averaged"):
            counts(part)
    assert lmdata.hull_volume(gone).dims == ("time",)


def test_several_models_are_measured_right_or_refused():
    one, two = (lmdata.simulate(lmdata.Localmax(0.2, influence=x), TOKENS, steps=4) for x in (0.5, 2.0))
    soft = lmdata.simulate(Softmax(), TOKENS, steps=4)
    both = xr.concat([one, two], dim=pd.Index([0.5, 2.0], name="influence"))
    np.testing.assert_array_equal(lmdata.convergence(both).rate_expected, [1 / 1.5, 1 / 3])
    for parts in ([one, two], [one, soft]):
        with pytest.raises(InvalidInput, match="several models"):
            counts(xr.concat(parts, dim="run"))
        with pytest.raises(InvalidInput, match="nothing tells which model"):
            counts(xr.concat(parts, dim="run", coords="minimal", compat="override"))
    with pytest.raises(InvalidInput, match="some of them twice"):
        counts(xr.concat([one, two], dim="time", coords="minimal", compat="override", join="outer"))
    with pytest.raises(InvalidInput, match="must be the JSON of a model"):
        counts(one - two)
    more = lmdata.simulate(lmdata.Localmax(0.2, influence=0.5), TOKENS, steps=4, seeds=[5])
    np.testing.assert_array_equal(
        counts(xr.concat([one, more], dim="seed", coords="different", compat="equals"))[1], counts(more)[0]
    )


MOVED = {
    "scaled": lambda ds: ds.assign_coords(time=ds.time * 2),
    "shifted": lambda ds: ds.assign_coords(time=ds.time - 5),
    "floats": lambda ds: ds.assign_coords(time=ds.time.astype(float)),
    "words": lambda ds: ds.assign_coords(time=[f"step {t}" for t in ds.time.values]),
    "dropped": lambda ds: ds.drop_vars("time"),
    "descending": lambda ds: ds.sortby("time", ascending=False),
    "a part": lambda ds: ds.isel(time=[3, 1]),
}


@pytest.mark.parametrize("act", MOVED.values(), ids=MOVED)
def test_the_step_of_a_frame_is_its_own(act, scheduled):
    part = act(scheduled.assign(frame=("time", np.arange(scheduled.sizes["time"]))))
    np.testing.assert_array_equal(counts(part), counts(scheduled)[:, part.frame.values])


@pytest.mark.parametrize(
    "act",
    [
        lambda ds: ds.drop_vars("digest").coarsen(time=3, boundary="trim").mean(),
        lambda ds: ds.interp(time=[2.0, 4.0]),
        lambda ds: ds.pad(time=(0, 1)),
        lambda ds: ds.isel(time=[0, 1, 1]),
        lambda ds: ds.reindex(time=[0, 2, 3]),
    ],
)
def test_frames_that_are_not_the_runs_are_refused(act, scheduled):
    with pytest.raises(InvalidInput, match="step"):
        counts(act(scheduled))


OVER_TIME = (lmdata.quiescent_sets, lmdata.convergence, lmdata.limit_polytope, lmdata.lyapunov, lmdata.hull_volume)


@pytest.mark.parametrize("measure", OVER_TIME)
def test_members_are_followed_forwards_alone(measure, swept):
    with pytest.raises(InvalidInput, match="sort them"):
        measure(swept.sortby("time", ascending=False))
    with pytest.raises(InvalidInput, match="some of them twice"):
        measure(swept.isel(time=[0, 2, 2, 3]))


@pytest.mark.parametrize(
    "measure", [lmdata.quiescent_sets, lmdata.convergence, analysis.hull_decay, analysis.metastability]
)
def test_times_are_told_by_the_runs_own_clock(measure, swept):
    with pytest.raises(InvalidInput, match="tells times"):
        measure(swept.assign_coords(time=swept.time * 2))
    assert measure(swept.drop_vars("time")) is not None


DYNAMICS = {
    "interaction": lambda ds, **o: lmdata.interaction(ds, **o).neighbour_count,
    "leaders": lambda ds, **o: lmdata.leaders(ds, **o),
    "lyapunov": lambda ds, **o: lmdata.lyapunov(ds, **o).energy,
    "limit_polytope": lambda ds, **o: lmdata.limit_polytope(ds, **o).cluster,
    "quiescent_sets": lambda ds, **o: lmdata.quiescent_sets(ds, **o).s1,
    "vertex_occupancy": lambda ds, **o: lmdata.vertex_occupancy(ds, **o).occupancy_entropy,
    "attention": lambda ds, **o: attention(ds, **o),
    "attention_statistics": lambda ds, **o: attention_statistics(ds, **o).row_sum,
}


@pytest.mark.parametrize("measure", DYNAMICS.values(), ids=DYNAMICS)
def test_a_part_of_the_tokens_is_another_system_which_has_to_be_asked_for(measure, swept):
    for part in ({"token": slice(0, 4)}, {"component": [0]}, {"token": [0, 0, 1, 2, 3, 4, 5]}):
        with pytest.raises(InvalidInput, match="among='selection'"):
            measure(swept.isel(part))
        assert measure(swept.isel(part), among="selection").sizes["seed"] == 2
    with pytest.raises(InvalidInput, match="token_number"):
        measure(swept.drop_vars("token_number"))
    with pytest.raises(UnknownName, match="among"):
        measure(swept, among="all")


def test_the_graph_among_a_selection_is_that_of_its_tokens_and_components(swept):
    part = swept.isel(token=[4, 1, 6], component=[1])
    states, matrix = part.position.values, A[1][1]
    scores = matrix * states * np.swapaxes(states, -1, -2)
    delta = swept.alignment_sensitivity.values[:, None, None, None, None, None]
    expected = (scores >= scores.max(axis=-1, keepdims=True) - delta).sum(axis=-1)
    np.testing.assert_array_equal(counts(part, among="selection"), expected)
    graph = attention(part, among="selection").values
    np.testing.assert_array_equal((graph > 0).sum(axis=-1), expected)


def test_components_and_tokens_in_another_order_are_the_same_system(swept):
    order = [3, 0, 6, 2, 1, 5, 4]
    np.testing.assert_array_equal(counts(swept.isel(component=[1, 0])), counts(swept))
    np.testing.assert_array_equal(counts(swept.isel(token=order)), counts(swept)[..., order])
    soft = lmdata.simulate(Softmax(causal=True, alignment=A), TOKENS, steps=2)
    np.testing.assert_allclose(
        attention(soft.isel(token=order, component=[1, 0])),
        attention(soft).values[..., order, :][..., order],
        rtol=1e-14,
    )
    back = attention_statistics(soft.isel(token=order)).attended_back
    np.testing.assert_allclose(back, attention_statistics(soft).attended_back.isel(token=order), atol=1e-14)
    flow = lmdata.simulate(lmdata.SelfAttention(values=[[1.0, 0.3], [0.0, 0.5]]), TOKENS, steps=3)
    turned = flow.isel(component=[1, 0])
    np.testing.assert_allclose(analysis.hyperplanes(turned).height, analysis.hyperplanes(flow).height, rtol=1e-12)
    with pytest.raises(InvalidInput, match="all 2 components"):
        analysis.hyperplanes(flow.isel(component=[0]))


@pytest.mark.parametrize("measure", [lmdata.interaction, lmdata.leaders, attention, attention_statistics])
def test_an_explicit_schedule_keeps_its_last_value_for_the_last_frame(measure):
    short, long = (lmdata.Localmax([0.0, 0.3, 0.5][:n] + [0.5] * (n - 3)) for n in (3, 4))
    one, two = (lmdata.simulate(model, TOKENS, steps=3) for model in (short, long))
    xr.testing.assert_equal(measure(one).drop_vars("model_id"), measure(two).drop_vars("model_id"))


@pytest.mark.parametrize("name", sorted(name for name in analysis.__all__ if hasattr(getattr(analysis, name), "about")))
def test_every_measure_says_what_it_is_about(name):
    measure = getattr(analysis, name)
    assert set(measure.about) <= {"particles", "densities"}
    masses = np.full((6, 1), 1 / 6)
    density = lmdata.simulate(CircleDensityFlow(), masses, steps=2)
    arguments = {
        "dominance_cells": ([[1.0], [-1.0]],),
        "energy_distance": (density,),
        "transport_distance": (density,),
    }.get(name, ())
    if "densities" not in measure.about:
        with pytest.raises(InvalidInput, match="the states of this dataset are densities"):
            measure(density, *arguments)


def test_flows_have_their_steps_beside_their_times():
    ds = lmdata.simulate(SphereAttention(step_size=0.25), lmdata.tokens.sphere(4, 3), steps=6, record=4)
    assert ds.step.values.tolist() == [0, 4, 6]
    assert ds.time.values.tolist() == [0.0, 1.0, 1.5]


def test_bookkeeping_is_beside_the_numbers_and_out_of_arithmetic(swept):
    kept = {"status", "digest", "steps_done", "model_id", "step", "token_number", "component_number"}
    assert kept <= set(swept.coords)
    assert set(swept.data_vars) - {"ambiguous_ties"} == {"position"}
    volume = lmdata.hull_volume(swept)
    assert kept - {"token_number", "component_number"} <= set(volume.coords)
    own = swept.copy()
    own["volume"] = volume
    xr.testing.assert_equal(own.drop_vars(["volume", "hull_rank", "hull_status"]), swept)
    assert "neighbour_count" in xr.merge([swept.assign(volume=volume), lmdata.interaction(swept)])
    double = 2 * swept
    assert (double.status == 1).all()
    np.testing.assert_array_equal(double.position, 2 * swept.position)
    other = lmdata.simulate(lmdata.Localmax(0.05, alignment=A), TOKENS, steps=5, seeds=range(2))
    difference = swept.isel(alignment_sensitivity=1, influence=0) - other
    assert not {"digest", "model_id"} & set(difference.coords)
    assert not {"model", "recipe", "recipe_id", "digest"} & set(difference.attrs)
