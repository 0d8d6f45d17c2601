"""What models say of their own accuracy reaches the data, in memory and in a store."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.dynamics.models import SphereGradientFlow
from lmdata.errors import AccuracyWarning

DIAGNOSTICS = {"step_error", "marginal_error", "half_steps_done"}


def test_a_missed_sinkhorn_tolerance_stands_in_the_data(tmp_path):
    """At beta = 60 the tolerance is out of reach in 40 half steps: warned of, and stored member by member."""
    model = lmdata.Sinkformer(step_size=0.1, limit=40)
    sweep = {"inverse_temperature": [0.5, 60.0]}
    source = lmdata.tokens.uniform(6, 2)
    with pytest.warns(AccuracyWarning, match="miss their tolerance 1e-13 after limit=40"):
        ds = lmdata.simulate(model, source, steps=6, seeds=range(3), sweep=sweep, record=2)
    with pytest.warns(AccuracyWarning, match="marginal_error in the data tells by how much"):
        stored = lmdata.simulate(model, source, steps=6, seeds=range(3), sweep=sweep, record=2, store=tmp_path / "run")
    for name in DIAGNOSTICS:
        assert ds[name].dims == ("inverse_temperature", "seed", "time")
        assert stored[name].chunks is not None
        xr.testing.assert_identical(stored[name].compute(), ds[name])
    reached = ds.sel(inverse_temperature=0.5)
    assert (reached.marginal_error < 1e-13).all()
    assert (reached.half_steps_done < 40).all()
    missed = ds.sel(inverse_temperature=60.0)
    assert (missed.marginal_error > 1e-6).all()
    assert (missed.half_steps_done == 40).all()
    weights = lmdata.attention(stored)
    off = np.maximum(abs(weights.sum("key") - 1).max("token"), abs(weights.sum("token") - 1).max("key"))
    np.testing.assert_allclose(off, ds.marginal_error, rtol=0, atol=1e-12)
    assert lmdata.verify(tmp_path / "run").ok


@pytest.mark.parametrize("scheme", ["euler", "rk4", "adaptive"])
def test_step_errors_are_stored_on_request_alone(scheme, tmp_path):
    """The estimate changes no position; a step half as long has an error that theory foretells."""
    source, errors = lmdata.tokens.sphere(5, 2), []
    for step in (0.02, 0.01):
        model = lmdata.SphereAttention(scheme=scheme, step_size=step)
        ds = lmdata.simulate(model, source, steps=2, store=tmp_path / f"{step}")
        silent = lmdata.simulate(
            lmdata.SphereAttention(scheme=scheme, step_size=step, estimate_error=False), source, steps=2
        )
        assert "step_error" not in silent
        np.testing.assert_array_equal(silent.position, ds.position)
        errors.append(ds.step_error.values[0, 0])
    order = {"euler": 1, "rk4": 4, "adaptive": -1}[scheme]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order + 1, abs=0.1)


def watched(monkeypatch, *, level=None, off=None):
    """Return what is warned of when a run goes from one level to another, or leaves a bound by so much."""
    model = SphereGradientFlow()
    monkeypatch.setattr(SphereGradientFlow, "falling", lambda self, state, own: None if level is None else level[1])
    monkeypatch.setattr(SphereGradientFlow, "conserved", lambda *_: {} if off is None else {"something is off": off})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.watch(np.zeros((2, 3, 3)), {}, None if level is None else level[0], moved=True)
    return [str(warning.message) for warning in told]


def test_an_energy_that_rises_by_more_than_a_rounding_is_warned_of(monkeypatch):
    before = np.array([1.0, -2.0])
    assert watched(monkeypatch, level=(before, before + np.array([5e-12, 1e-11]))) == []
    for rise in ([0.0, 1e-10], [5e-11, 0.0], [1e-4, -1.0]):
        (said,) = watched(monkeypatch, level=(before, before + np.array(rise)))
        assert "the energy goes the wrong way" in said


def test_one_member_that_leaves_a_bound_is_warned_of(monkeypatch):
    assert watched(monkeypatch, off=(np.array([1e-13, 9e-13]), 1e-12)) == []
    (said,) = watched(monkeypatch, off=(np.array([0.0, 2e-12]), 1e-12))
    assert "something is off by more than 1e-12" in said
