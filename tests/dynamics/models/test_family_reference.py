"""The family against its equations in plain loops of many digits (`tests/plainly.py`): no case of others is needed."""

from __future__ import annotations

import functools

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from lmdata.dynamics.models import CircleDensityFlow, SelfAttention, SphereAttention, SphereGradientFlow
from lmdata.dynamics.models.weights import sinkhorn_weights, softmax_weights

from ... import plainly


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(plainly.DIGITS):
        yield


def run(model, start, record):
    return type(model).advance([model], start[None], start=0, record=list(record), seeds=[0]).position[0]


def sphere(n, d, seed=0):
    points = np.random.default_rng(seed).normal(size=(n, d))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


SPECTRA = {
    "one": [[1.0]],
    "polytope": [[1.0, 0.0], [0.0, 1.0]],
    "hyperplanes": [[0.6, 0.4], [0.4, 0.6]],
    "one falling": [[1.0, 0.0, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, -0.5]],
    "turning": [[1.0, 0.0, 0.0], [0.0, 0.2, -0.7], [0.0, 0.7, 0.2]],
}


TIMES = 0.25 * np.arange(9)


@functools.cache
def trajectory(name):
    """Return rescaled tokens at TIMES: x' = sum P V x by another integrator, then z = exp(-tV) x."""
    values = np.array(SPECTRA[name])
    n, d = 5, len(values)
    start = np.random.default_rng(d).uniform(-1.5, 1.5, (n, d))

    def flow(_, flat):
        x = flat.reshape(n, d)
        rate = np.zeros_like(x)
        for i in range(n):
            weights = np.exp(x @ x[i] - (x @ x[i]).max())
            for j in range(n):
                rate[i] += weights[j] / weights.sum() * (values @ x[j])
        return rate.ravel()

    solution = solve_ivp(flow, (0, TIMES[-1]), start.ravel(), method="LSODA", rtol=1e-11, atol=1e-12, t_eval=TIMES)
    return np.stack([x.reshape(n, d) @ expm(-t * values).T for t, x in zip(TIMES, solution.y.T, strict=True)])


@pytest.mark.parametrize("scheme", ["adaptive", "rk4"])
@pytest.mark.parametrize("name", SPECTRA)
def test_rescaled_dynamics_are_those_of_the_tokens_themselves(name, scheme):
    """What multiplies attention by exp(tV) is never integrated by the oracle."""
    expected, substeps = trajectory(name), 1 if scheme == "adaptive" else 40
    model = SelfAttention(values=SPECTRA[name], step_size=0.25 / substeps, scheme=scheme)
    found = run(model, expected[0], range(0, 8 * substeps + 1, substeps))
    assert np.abs(found - expected).max() < 1e-7  # the oracle's 1e-11, grown by exp(2) and its inverse


@pytest.mark.parametrize("normalised", [True, False], ids=["SA", "USA"])
@pytest.mark.parametrize(("d", "beta"), [(3, 1), (3, 9), (2, 4)])
def test_layers_on_the_sphere(d, beta, normalised):
    start = sphere(6, d)
    size = mpf("0.03125")

    def pull(points):
        return plainly.heard(points, plainly.exact(np.eye(d)), beta, normalised=normalised)

    model = SphereAttention(inverse_temperature=beta, normalised=normalised, step_size=float(size), scheme="layernorm")
    expected = plainly.floats(plainly.layers(plainly.exact(start), 20, size, pull))
    assert np.abs(run(model, start, [20])[0] - expected).max() < 1e-13


@pytest.mark.parametrize(
    ("matrix", "direction", "beta"),
    [
        ([1, 1, 1], "ascent", 1),
        ([1, 3, 4], "ascent", 1),
        ([1, 1, 1], "descent", 1),
        ([1, 0.25, 1], "descent", 1),
        ([-1, -3, -4], "ascent", 1),
        ([1, 1.25], "ascent", 1),
        ([1, 1, 1], "ascent", 4),
    ],
)
def test_gradient_flows_up_and_down(matrix, direction, beta):
    start, diagonal = sphere(6, len(matrix)), np.diag(np.array(matrix, float))
    size = mpf("0.015625")
    model = SphereGradientFlow(
        alignment=diagonal, direction=direction, inverse_temperature=beta, step_size=float(size), scheme="layernorm"
    )

    def pull(points):
        return plainly.heard(points, plainly.exact(diagonal), beta, normalised=False)

    sign = 1 if direction == "ascent" else -1
    expected = plainly.layers(plainly.exact(start), 20, size, pull, sign=sign)
    assert np.abs(run(model, start, [20])[0] - plainly.floats(expected)).max() < 1e-12


def velocities(angles, beta, *, normalised):
    """Return d theta_i / dt of tokens on the circle: sums of w_ij sin(theta_j - theta_i)."""
    found = []
    for a in angles:
        weights = [mpmath.exp(beta * mpmath.cos(b - a)) for b in angles]
        whole = mpmath.fsum(weights) if normalised else mpf(len(angles))
        found.append(mpmath.fsum(w * mpmath.sin(b - a) for w, b in zip(weights, angles, strict=True)) / whole)
    return found


@pytest.mark.parametrize("normalised", [True, False], ids=["SA", "USA"])
@pytest.mark.parametrize("beta", [1, 4, 50])
def test_velocities_on_the_circle(beta, normalised):
    angles = np.random.default_rng(1).uniform(0, 2 * np.pi, 9)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    along = np.stack([-points[:, 1], points[:, 0]], axis=-1)
    model = SphereAttention(inverse_temperature=beta, normalised=normalised)
    force = model.force(points[None], 0.0, {"inverse_temperature": np.array([float(beta)])})[0]
    expected = np.array([float(v) for v in velocities([mpf(a) for a in angles], beta, normalised=normalised)])
    scale = np.abs(expected).max()
    np.testing.assert_allclose((force * along).sum(axis=-1), expected, rtol=0, atol=2e-14 * beta * scale)


def test_geodesic_steps_are_euler_for_angles():
    angles = [mpf(a) for a in np.random.default_rng(2).uniform(0, 2 * np.pi, 6)]
    start = np.array([[float(mpmath.cos(a)), float(mpmath.sin(a))] for a in angles])
    for _ in range(40):
        angles = [a + v / 32 for a, v in zip(angles, velocities(angles, 4, normalised=True), strict=True)]
    model = SphereAttention(inverse_temperature=4, step_size=1 / 32, scheme="geodesic")
    expected = np.array([[float(mpmath.cos(a)), float(mpmath.sin(a))] for a in angles])
    assert np.abs(run(model, start, [40])[0] - expected).max() < 1e-12


@pytest.mark.parametrize("half_steps", [1, 2, 3, 4, 5, 10, 21, 100])
@pytest.mark.parametrize("shape", [(6, 6), (5, 4)])
def test_sinkhorn_divides_rows_and_columns_in_turn(shape, half_steps):
    scores = np.random.default_rng(3).normal(scale=2.0, size=shape)
    expected = plainly.floats(plainly.sinkhorn(plainly.exact(scores), half_steps))
    weights = sinkhorn_weights(scores, half_steps=half_steps).weights
    np.testing.assert_allclose(weights, expected, rtol=0, atol=2e-14)
    if half_steps == 1:
        np.testing.assert_allclose(softmax_weights(scores), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("direction", ["ascent", "descent"])
@pytest.mark.parametrize(
    ("metric", "scheme"), [("fisher-rao", "exponentiated"), ("fisher-rao", "euler"), ("wasserstein", "euler")]
)
def test_densities_move_by_their_equations(metric, scheme, direction):
    """Cells at angles 2 pi k / n, the potential sum_l exp(<x_k, D x_l>) w_l; fluxes between neighbours, upwind."""
    n, size, matrix = 8, mpf("0.0078125"), np.diag([1.0, 1.5])
    sign = 1 if direction == "ascent" else -1
    start = np.random.default_rng(4).dirichlet(np.full(n, 4.0))
    points = [[mpmath.cos(2 * mpmath.pi * k / n), mpmath.sin(2 * mpmath.pi * k / n)] for k in range(n)]
    keys = [plainly.times(plainly.exact(matrix), x) for x in points]
    kernel = [[mpmath.exp(plainly.dot(x, key)) for key in keys] for x in points]
    mass = [mpf(w) for w in start]
    for _ in range(15):
        potential = plainly.times(kernel, mass)
        if scheme == "exponentiated":
            grown = [w * mpmath.exp(sign * size * p) for w, p in zip(mass, potential, strict=True)]
        elif metric == "fisher-rao":
            mean = plainly.dot(mass, potential)
            grown = [w + sign * size * w * (p - mean) for w, p in zip(mass, potential, strict=True)]
        else:
            width, flux = 2 * mpmath.pi / n, []
            for k in range(n):
                speed = sign * (potential[(k + 1) % n] - potential[k]) / width
                flux.append(speed * (mass[k] if speed > 0 else mass[(k + 1) % n]))
            grown = [mass[k] + size * (flux[k - 1] - flux[k]) / width for k in range(n)]
        mass = [w / mpmath.fsum(grown) for w in grown]
    model = CircleDensityFlow(
        alignment=matrix, metric=metric, scheme=scheme, direction=direction, step_size=float(size)
    )
    found = run(model, start[:, None], [15])[0, :, 0]
    assert np.abs(found - np.array([float(w) for w in mass])).max() < 1e-14


def test_four_particles_end_where_the_ratio_of_tanh_is_the_eigenvalue():
    """At the minimum of the energy of four symmetric particles tanh(x^2) = d tanh(d y^2) with x^2 + y^2 = 1."""
    second = 3.0
    square = mpmath.findroot(
        lambda s: mpmath.tanh(s) - second * mpmath.tanh(second * (1 - s)), (0.5, 1), solver="anderson"
    )
    start = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2)
    model = SphereGradientFlow(alignment=np.diag([1.0, second]), direction="descent", step_size=0.04)
    end = run(model, start, [3_000])[0]
    np.testing.assert_allclose(end[:, 0] ** 2, float(square), rtol=1e-9)
