"""Rates and times of convergence: the contraction theorem, exact cases, records with gaps; and the fit itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.fit_kernels import decay_rate
from lmdata.analysis.times import lasts_from
from lmdata.dynamics.kernels.canonical import neighbour_mean
from lmdata.errors import InvalidInput


@given(
    st.integers(0, 10**6),
    st.booleans(),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.floats(0.1, 10.0),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_every_step_contracts_towards_the_neighbour_mean(seed, on_lattice, delta, alpha):
    """F3: |z_i(t+1) - m_i(t)| = |z_i(t) - m_i(t)| / (1 + alpha)."""
    random = np.random.default_rng(seed)
    tokens = random.integers(-2, 3, size=(8, 2)) / 2.0 if on_lattice else random.normal(size=(8, 2))
    position = lmdata.simulate(lmdata.Localmax(delta, influence=alpha), tokens, steps=6).position.values[0]
    mean = neighbour_mean(position[:-1], delta)
    before = np.linalg.norm(position[:-1] - mean, axis=-1)
    after = np.linalg.norm(position[1:] - mean, axis=-1)
    np.testing.assert_allclose(after, before / (1 + alpha), rtol=1e-9, atol=1e-14)


def test_floats_arrive_though_no_token_does():
    """By F3 a token off its neighbour mean is never there; in floats all stand still from step 70 on, one start."""
    ds = lmdata.simulate(lmdata.Localmax(0.1), lmdata.tokens.uniform(16, 2), steps=90)
    moved = lmdata.convergence(ds).displacement.isel(seed=0).values > 0
    assert moved[1:70].all()
    assert not moved[70:].any()


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3]), st.sampled_from([0.5, 1.0, 3.0]))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_the_fitted_rate_is_that_of_the_theorem(seed, delta, alpha):
    """F3: where all tokens end at vertices, they come to rest at the rate 1 / (1 + alpha)."""
    tokens = np.random.default_rng(seed).normal(size=(8, 2))
    ds = lmdata.simulate(lmdata.Localmax(delta, influence=alpha), tokens, steps=120)
    rest = lmdata.convergence(ds)
    assert rest.rate_expected == 1 / (1 + alpha)
    if (lmdata.limit_polytope(ds).token_vertex >= 0).all():
        assert rest.rate.item() == pytest.approx(1 / (1 + alpha), rel=0.1)


def test_a_token_that_hears_itself_between_clusters_comes_to_rest_more_slowly():
    """0 hears 1, -1 and itself: its mean moves with it, by a third of the way (F7)."""
    ds = lmdata.simulate(lmdata.Localmax(0.5, influence=1.0), [[1.0], [-1.0], [0.25]], steps=40)
    assert lmdata.convergence(ds).rate.item() == pytest.approx((1 + 1 / 3) / 2, rel=1e-3)


@pytest.mark.parametrize("alpha", [0.25, 1.0, 4.0])
def test_one_token_on_its_way_by_hand(alpha):
    """0.5 goes to 1: it is (1 + alpha)^-t / 2 away, and moves by alpha / (1 + alpha) of that."""
    ds = lmdata.simulate(lmdata.Localmax(influence=alpha), [[1.0], [0.5]], steps=30)
    rest = lmdata.convergence(ds, tolerance=0.01).isel(seed=0)
    step = np.arange(1, 31)
    expected = 0.5 * (1 + alpha) ** (-(step - 1.0)) * alpha / (1 + alpha)
    assert np.isnan(rest.displacement[0])
    np.testing.assert_allclose(rest.displacement[1:], expected, atol=1e-15)
    assert rest.rate.item() == pytest.approx(1 / (1 + alpha), rel=1e-3)
    assert rest.time_to_tolerance == step[expected <= 0.01][0]


def test_tokens_that_never_move_have_no_rate_and_are_there_at_once():
    rest = lmdata.convergence(lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.0, 1.0]], steps=5)).isel(seed=0)
    assert rest.displacement[1:].values.tolist() == [0.0] * 5
    assert np.isnan(rest.rate)
    assert rest.time_to_tolerance == 1.0


def test_a_record_that_ends_too_early_has_no_time():
    ds = lmdata.simulate(lmdata.Localmax(influence=0.1), [[1.0], [0.5]], steps=5)
    assert np.isnan(lmdata.convergence(ds).time_to_tolerance).all()


@pytest.mark.parametrize("record", [3, [0, 3, 6, 9, 12, 15, 16, 40]])
def test_a_record_with_gaps_has_the_rate_per_step(record):
    ds = lmdata.simulate(lmdata.Localmax(influence=0.5), [[1.0], [0.5]], steps=40, record=record)
    rest = lmdata.convergence(ds)
    assert rest.rate.item() == pytest.approx(1 / 1.5, rel=1e-6)
    assert rest.displacement.attrs["comment"].startswith("between stored steps")


def test_the_expected_rate_follows_the_sweep():
    sweep = {"influence": [0.5, 1.0], "alignment_sensitivity": [0.0, 0.1, 0.2]}
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5]], steps=2, sweep=sweep)
    expected = lmdata.convergence(ds).rate_expected
    assert expected.dims == ("influence", "alignment_sensitivity")
    assert (expected == 1 / (1 + ds.influence)).all()


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_that_cannot_be_is_refused(tolerance):
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=1)
    with pytest.raises(InvalidInput, match="tolerance"):
        lmdata.convergence(ds, tolerance=tolerance)


def test_the_fit_takes_the_longest_straight_stretch_above_the_floor():
    time = np.arange(40.0)
    values = np.where(time < 8, 5.0 - 0.3 * np.sin(3 * time), 4.0 * 0.7 ** (time - 8))
    assert decay_rate(time, values, 1e-4) == pytest.approx(0.7, rel=1e-3)
    assert decay_rate(2 * time, values, 1e-4) == pytest.approx(0.7**0.5, rel=1e-3)
    assert np.isnan(decay_rate(time[:3], 0.5 ** time[:3], 0.0))
    assert np.isnan(decay_rate(time, np.full(40, np.nan), 0.0))
    broken = 0.5**time
    broken[20] = np.nan
    assert decay_rate(time, broken, 0.0) == pytest.approx(0.5)


@given(st.lists(st.booleans(), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_lasts_begins_where_it_is_never_false_again(condition):
    time = np.arange(0, 3 * len(condition), 3)
    lasting = [t for k, t in enumerate(time) if all(condition[k:])]
    found = lasts_from(np.array(condition), time)
    assert found == lasting[0] if lasting else np.isnan(found)


def test_the_tolerance_is_of_each_members_own_size():
    """One start, and the same a thousand times larger: what is small for one is small for the other at that time."""
    start = lmdata.tokens.uniform(6, 2).draw(0)
    ds = lmdata.simulate(lmdata.Localmax(), np.stack([start, 1024.0 * start]), steps=40, seeds=(0, 1))
    found = lmdata.convergence(ds, tolerance=1e-6)
    times = found.time_to_tolerance.values
    assert times[0] == times[1] > 5
    ratio = found.displacement.values[1, 1:] / found.displacement.values[0, 1:]
    np.testing.assert_array_equal(ratio, np.full(40, 1024.0))


def test_a_rate_takes_four_points_and_the_latest_of_equally_long_stretches():
    time = np.arange(10.0)
    assert decay_rate(time[:4], 0.5 ** time[:4], 0.0) == pytest.approx(0.5, rel=1e-12)
    assert np.isnan(decay_rate(time[:3], 0.5 ** time[:3], 0.0))
    values = np.concatenate([0.5 ** time[:4], [0.0], 0.25 ** time[:4], [0.0]])
    assert decay_rate(time, values, 0.0) == pytest.approx(0.25, rel=1e-12)
