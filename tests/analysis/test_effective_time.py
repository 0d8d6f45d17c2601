"""Layers that are steps of the flow have its step size and leave nothing; others leave what they leave."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.analysis.effective_time import fits, great_circles, layer_of
from lmdata.errors import InvalidInput, UnknownName

BETA = 3.0
STEPS = (0.02, 0.01, 0.005)
every_flow = pytest.mark.parametrize("flow", ["SA", "USA"])


def flowing(flow, size, *, scheme="rk4", steps=1, seeds=range(4), tokens=None):
    """Return small steps of the flow; in USA they are as small beside its largest rate, e^beta."""
    size = size * (np.exp(-BETA) if flow == "USA" else 1.0)
    model = lmdata.SphereAttention(inverse_temperature=BETA, normalised=flow == "SA", step_size=size, scheme=scheme)
    start = lmdata.tokens.sphere(7, 4) if tokens is None else tokens
    return lmdata.simulate(model, start, steps=steps, seeds=seeds), size


def layers(ds, flow, **options):
    return lmdata.effective_time(ds, flow=flow, inverse_temperature=BETA, **options).isel(time=slice(0, -1))


@every_flow
def test_a_step_along_great_circles_is_found_to_rounding(flow):
    ds, size = flowing(flow, 0.1, scheme="geodesic", steps=5)
    found = layers(ds, flow)
    np.testing.assert_allclose(found.effective_time, size, rtol=1e-12)
    assert found.flow_residual.max() < 1e-24  # the square of rounding, 1e-16 of angles of 1e-2 or more


@every_flow
def test_on_small_steps_of_the_flow_all_residuals_vanish_in_their_order(flow):
    """tau = h + O(h^2), rho = O(h^2), r = O(h): halving h takes them to 1/4 (of h), 1/4 and 1/2."""
    errors = []
    for step in STEPS:
        ds, size = flowing(flow, step)
        found = layers(ds, flow)
        errors.append(
            [
                abs(found.effective_time / size - 1).max().item(),
                found.flow_residual.max().item(),
                abs(found.dissipation_residual).max().item(),
            ]
        )
    ratio = np.array(errors[1:]) / np.array(errors[:-1])
    np.testing.assert_allclose(ratio, [[0.5, 0.25, 0.5]] * 2, rtol=0.1)
    assert (np.array(errors[-1]) < [0.02, 1e-3, 0.02]).all()


@every_flow
def test_layers_whose_tokens_are_shuffled_are_no_steps_of_the_flow(flow):
    ds, _ = flowing(flow, STEPS[-1], steps=2)
    moved = ds.position.values
    moved[:, 1:] = moved[:, 1:, np.random.default_rng(0).permutation(7)]
    found = layers(lmdata.from_trajectory(moved, dims=("run", "time", "token", "component")), flow).isel(time=0)
    assert found.flow_residual.min() > 0.5
    assert abs(found.dissipation_residual).min() > 0.5


def test_a_layer_against_the_flow_has_no_time_and_keeps_its_way():
    ds, _ = flowing("SA", 0.01, steps=1)
    back = lmdata.from_trajectory(ds.position.values[:, ::-1], dims=("run", "time", "token", "component"))
    found = layers(back, "SA")
    np.testing.assert_array_equal(found.effective_time, 0)
    np.testing.assert_array_equal(found.flow_residual, 1)
    np.testing.assert_array_equal(found.dissipation_residual, -1)


def test_the_best_time_is_the_least_squares_one():
    """Against numpy's least squares on the stacked velocities, for layers that do something else as well."""
    random = np.random.default_rng(0)
    before = 0.5 + random.normal(size=(6, 5))
    after = before + 2.0 * before.mean(axis=0) + 0.3 * random.normal(size=(6, 5))
    x = before / np.linalg.norm(before, axis=1, keepdims=True)
    y = after / np.linalg.norm(after, axis=1, keepdims=True)
    cosine = (x * y).sum(axis=1, keepdims=True)
    way = np.arccos(cosine) / np.sqrt(1 - cosine**2) * (y - cosine * x)
    weights = np.exp(BETA * x @ x.T)
    force = weights / weights.sum(axis=1, keepdims=True) @ x
    force -= (force * x).sum(axis=1, keepdims=True) * x
    (time,), (left,), *_ = np.linalg.lstsq(force.reshape(-1, 1), way.ravel(), rcond=None)
    found = fits(before, after, inverse_temperature=BETA, flow="SA")
    assert time > 0
    np.testing.assert_allclose([part.item() for part in found[:2]], [time, left / (way**2).sum()], rtol=1e-10)
    energy = [np.exp(BETA * (z @ z.T - 1)).mean() for z in (x, y)]
    rate = 2 * BETA * np.exp(-BETA) / 6 * (weights.sum(axis=1) / 6 * (force**2).sum(axis=1)).sum()
    expected = (energy[1] - energy[0] - time * rate) / max(abs(energy[1] - energy[0]), time * rate)
    np.testing.assert_allclose(found[2], expected, rtol=1e-10)


@every_flow
def test_the_energy_rises_as_the_identity_tells(flow):
    """USA: dE/dt = (2 beta e^-beta / n) sum |x'|^2; SA with the weights Z_i / n. Both against a complex step."""
    x = lmdata.tokens.sphere(7, 4).draw(3)
    score = np.exp(BETA * (x @ x.T))
    mass = score.sum(axis=1) / 7
    force = score @ x / 7 / (1.0 if flow == "USA" else mass[:, None])
    force -= (force * x).sum(axis=1, keepdims=True) * x
    ahead = x + 1e-200j * force
    rate = np.exp(BETA * (ahead @ ahead.T - 1)).imag.mean() / 1e-200
    weight = np.ones(7) if flow == "USA" else mass
    identity = 2 * BETA * np.exp(-BETA) / 7 * (weight * (force**2).sum(axis=1)).sum()
    np.testing.assert_allclose(identity, rate, rtol=1e-12)
    # the measure's own rate: tau and r of a layer that it did not make
    after = lmdata.tokens.sphere(7, 4).draw(8)
    time, _, residual = (part.item() for part in fits(x, after, inverse_temperature=BETA, flow=flow))
    rise = np.exp(BETA * (after @ after.T - 1)).mean() - np.exp(BETA * (x @ x.T - 1)).mean()
    scale = max(abs(rise), time * rate)
    np.testing.assert_allclose(residual, (rise - time * rate) / scale, rtol=1e-9, atol=1e-12)


# --- attention that came with the states ---


def with_attention(ds, model, heads=2):
    """Return states of a flow with its own weights, under the last head, and even ones under the others."""
    weights = lmdata.attention(ds).values
    even = np.full_like(weights, 1 / weights.shape[-1])
    stacked = np.stack([even] * (heads - 1) + [weights], axis=2)
    return lmdata.from_trajectory(ds.position.values, dims=("run", "time", "token", "component"), attention=stacked)


def test_given_attention_is_taken_head_by_head():
    ds, size = flowing("SA", 0.1, scheme="geodesic", steps=3)
    own = with_attention(ds, None)
    found, expected = layers(own, "given"), layers(ds, "SA")
    assert found.effective_time.dims == ("seed", "time", "head")
    for name in found.data_vars:
        np.testing.assert_allclose(found[name].isel(head=1), expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert found.flow_residual.isel(head=0).min() > 0.01
    np.testing.assert_allclose(found.effective_time.isel(head=1), size, rtol=1e-12)
    lazy = lmdata.effective_time(own.chunk({"seed": 2, "time": 2}), flow="given", inverse_temperature=BETA)
    whole = lmdata.effective_time(own, flow="given", inverse_temperature=BETA)
    xr.testing.assert_identical(lazy.compute(scheduler="synchronous"), whole)


def test_a_causal_flow_is_found_by_its_own_weights():
    model = lmdata.SphereAttention(inverse_temperature=BETA, causal=True, step_size=0.1, scheme="geodesic")
    ds = lmdata.simulate(model, lmdata.tokens.sphere(6, 3), steps=2)
    found = layers(with_attention(ds, model), "given").isel(head=1)
    np.testing.assert_allclose(found.effective_time, 0.1, rtol=1e-12)
    assert found.flow_residual.max() < 1e-24


def test_padding_changes_no_number_under_any_flow():
    random = np.random.default_rng(1)
    sizes = (5, 2, 4)
    states = [random.normal(size=(4, n, 3)) for n in sizes]
    weights = [random.dirichlet(np.ones(n), size=(3, 2, n)) for n in sizes]
    whole = lmdata.from_trajectory(states, attention=weights)
    for flow in ("SA", "USA", "given"):
        found = lmdata.effective_time(whole, flow=flow)
        for run, (own, given) in enumerate(zip(states, weights, strict=True)):
            alone = lmdata.effective_time(lmdata.from_trajectory(own, attention=given), flow=flow)
            for name, expected in alone.data_vars.items():
                np.testing.assert_array_equal(found[name].isel(seed=[run]), expected, err_msg=f"{flow} {name}")


def test_lengths_count_for_nothing_and_frames_that_were_not_stored_are_one_layer():
    ds, size = flowing("SA", 0.01, scheme="geodesic", steps=4)
    longer = ds.assign(position=ds.position * 2.0 ** (1 + ds.token.astype(int)))
    xr.testing.assert_equal(layers(longer, "SA"), layers(ds, "SA"))
    some = layers(ds.isel(time=[0, 4]), "SA")
    np.testing.assert_allclose(some.effective_time, 4 * size, rtol=0.1)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], [0.0, np.nan, np.nan]),
        ([[-1.0, 0.0], [0.0, 1.0]], [np.nan] * 3),
        ([[0.0, 0.0], [0.0, 1.0]], [np.nan] * 3),
    ],
    ids=["at rest", "opposite", "at the origin"],
)
def test_what_has_no_way_has_no_number(after, expected):
    found = fits(np.eye(2), np.array(after), inverse_temperature=1.0, flow="SA")
    np.testing.assert_array_equal([part.item() for part in found], expected)


def test_where_the_flow_moves_nobody_there_is_no_time_and_all_is_left():
    """One point: attention pulls nobody, and the way to elsewhere is not its."""
    start = np.ones((3, 2))
    found = fits(start, start + np.array([0.0, 1.0]), inverse_temperature=1.0, flow="SA")
    np.testing.assert_array_equal([part.item() for part in found], [np.nan, 1.0, np.nan])


def test_great_circles_keep_the_digits_of_small_angles_and_of_large_ones():
    for angle in (1e-12, 1e-6, 1.0, 3.0, np.pi - 1e-6):
        found = great_circles(np.array([[1.0, 0.0]]), np.array([[np.cos(angle), np.sin(angle)]]))
        np.testing.assert_allclose(found, [[0.0, angle]], rtol=1e-9, atol=1e-24)
    assert layer_of(np.eye(2), np.full((2, 2), np.nan), 1.0) is None


def test_what_cannot_be_asked_is_refused():
    ds, _ = flowing("SA", 0.1)
    with pytest.raises(InvalidInput, match="has no attention of its own"):
        lmdata.effective_time(ds, flow="given")
    with pytest.raises(UnknownName, match="SA, USA, given"):
        lmdata.effective_time(ds, flow="sa")
    with pytest.raises(InvalidInput, match="inverse_temperature"):
        lmdata.effective_time(ds, inverse_temperature=0)
    with pytest.raises(InvalidInput, match=r"inverse_temperature"):
        lmdata.effective_time(ds, flow="USA", inverse_temperature=1000.0)
    assert np.isfinite(layers(ds, "SA").effective_time).all()
    with pytest.raises(InvalidInput, match="all 7 tokens"):
        lmdata.effective_time(ds.isel(token=[0, 1]))
