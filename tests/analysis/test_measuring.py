"""What measures read from a dataset: the parameters of its members, its model, and clear errors where there is none."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.analysis import parameters
from lmdata.dynamics.models import Softmax
from lmdata.errors import InvalidInput

TOKENS = [[1.0, 0.0], [0.5, 0.5], [-1.0, 0.2]]
SWEEP = {"influence": [0.5, 2.0], "alignment_sensitivity": [0.0, 0.1, 0.2]}


@pytest.fixture(scope="module")
def swept():
    return lmdata.simulate(lmdata.Localmax(0.7), TOKENS, steps=2, sweep=SWEEP)


def sensitivities(ds):
    return parameters.sensitivities(ds, parameters.localmax_of(ds, "a test"), "a test")


def test_each_member_has_its_own_parameters(swept):
    found = sensitivities(swept)
    assert found.dims == ("influence", "alignment_sensitivity", "time")
    assert (found == swept.alignment_sensitivity).all()
    influence = parameters.models_of(swept, "a test").values(lambda model: model.influence)
    assert (influence == swept.influence).all()


def test_what_a_selection_leaves_as_a_scalar_still_counts(swept):
    assert (sensitivities(swept.sel(alignment_sensitivity=0.2)) == 0.2).all()
    assert sensitivities(swept.isel(influence=0, alignment_sensitivity=1)).values.tolist() == [0.1] * 3


def test_a_stack_of_members_keeps_their_parameters(swept):
    stacked = swept.stack(member=["influence", "alignment_sensitivity"])
    assert (sensitivities(stacked) == stacked.alignment_sensitivity).all()
    leader = lmdata.leaders(stacked).unstack("member")
    np.testing.assert_array_equal(leader.transpose(*lmdata.leaders(swept).dims), lmdata.leaders(swept))


def test_without_a_sweep_the_model_has_the_parameters():
    schedule = lmdata.schedules.Geometric(1.0, 0.5)
    ds = lmdata.simulate(lmdata.Localmax(schedule), TOKENS, steps=5, record=[0, 2, 5])
    assert sensitivities(ds).values.tolist() == [1.0, 0.25, 0.03125]


def test_other_models_have_hulls_and_displacements_but_no_neighbourhoods():
    ds = lmdata.simulate(Softmax(), TOKENS, steps=4)
    assert lmdata.hull_volume(ds).shape == (1, 5)
    assert lmdata.convergence(ds).displacement.shape == (1, 5)
    for measure in (lmdata.interaction, lmdata.leaders, lmdata.limit_polytope, lmdata.quiescent_sets, lmdata.lyapunov):
        with pytest.raises(InvalidInput, match=f"{measure.__name__} is defined by localmax .* 'softmax'"):
            measure(ds)


@pytest.mark.parametrize("attribute", [None, "no JSON", 3])
def test_a_model_that_cannot_be_read_is_named(swept, attribute):
    broken = swept.assign_attrs(model=attribute)
    with pytest.raises(InvalidInput, match="attribute 'model' is"):
        lmdata.leaders(broken)


def test_float32_positions_are_measured_as_they_are_stored(swept):
    narrow = swept.assign(position=swept.position.astype("float32"))
    wide = swept.assign(position=swept.position.astype("float32").astype("float64"))
    for measure in (lmdata.hull_volume, lmdata.interaction, lmdata.limit_polytope, lmdata.lyapunov):
        assert measure(narrow).equals(measure(wide))


@pytest.mark.parametrize("dim", ["time", "seed", "token"])
def test_an_empty_selection_is_refused_by_name(dim):
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, seeds=(0, 1))
    with pytest.raises(InvalidInput, match=f"at least one value of '{dim}'"):
        lmdata.hull_volume(ds.isel({dim: []}))
