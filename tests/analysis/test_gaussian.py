"""The Gaussian closure: its solutions in one dimension, its derivation by quadrature, and particles that tend to it."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.errors import InvalidInput

V = np.array([[-1.0, 0.5], [-0.3, -0.4]])
B = np.array([[0.8, 0.2], [0.0, 0.5]])


@pytest.mark.parametrize(("v", "b"), [(-1.0, 1.0), (-2.0, 0.5), (1.0, -0.7), (0.5, 1.0)])
def test_in_one_dimension_the_variance_is_a_hyperbola(v, b):
    times, first = np.linspace(0, 0.8, 5), 1.1
    found = lmdata.gaussian_closure(times, [0.3], [[first]], values=[[v]], scores=[[b]])
    variance = first / (1 - 2 * v * b * first * times)
    np.testing.assert_allclose(found.covariance[:, 0, 0], variance, rtol=1e-11)
    mean = 0.3 * np.exp(v * times) / np.sqrt(1 - 2 * v * b * first * times)  # m'/m = v + v b Sigma
    np.testing.assert_allclose(found.mean[:, 0], mean, rtol=1e-11)


def test_with_v_minus_identity_twice_the_time_times_the_covariance_tends_to_the_identity():
    """C' = -2 C^2, for any start: the power law of the collapse."""
    start = np.array([[2.0, 0.6], [0.6, 0.5]])
    found = lmdata.gaussian_closure([0.0, 10.0, 1e6], [0.0, 0.0], start, values=-np.eye(2)).covariance
    np.testing.assert_allclose(found[1], np.linalg.inv(np.linalg.inv(start) + 20 * np.eye(2)), rtol=1e-11)
    np.testing.assert_allclose(2e6 * found[2], np.eye(2), rtol=0, atol=1e-5)


def test_the_moments_move_as_those_of_a_density():
    """At time 0: the speed of points of a normal density by quadrature, and the derivatives of its moments from it."""
    mean, covariance = np.array([0.4, -0.2]), np.array([[0.9, 0.3], [0.3, 0.6]])
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / (2 * np.pi)
    points = mean + grid @ np.linalg.cholesky(covariance).T
    tilt = weight * np.exp(points @ B.T @ points.T)  # row x, column y: e^<B x, y>
    speed = (tilt @ points / tilt.sum(axis=1, keepdims=True)) @ V.T
    drift = weight @ speed
    cross = (weight[:, None] * (points - mean)).T @ speed
    step = 1e-5
    found = lmdata.gaussian_closure([0.0, step], mean, covariance, values=V, scores=B)
    np.testing.assert_allclose((found.mean[1] - found.mean[0]) / step, drift, rtol=0, atol=1e-4)
    np.testing.assert_allclose((found.covariance[1] - found.covariance[0]) / step, cross + cross.T, rtol=0, atol=1e-4)


def distance(n, seeds):
    """Root mean square distance of the particles' covariance and mean from the closure's, at t = 1."""
    shift, root = np.array([0.4, -0.2]), np.linalg.cholesky([[0.9, 0.3], [0.3, 0.6]])
    start = shift + lmdata.tokens.normal(n, 2).draw_batch(range(seeds)) @ root.T
    model = lmdata.SelfAttention(form="plain", values=V, keys=np.eye(2), queries=B, step_size=0.1, estimate_error=False)
    x = type(model).advance([model] * seeds, start, start=0, record=[10], seeds=range(seeds)).position[:, 0]
    expected = lmdata.gaussian_closure([1.0], shift, root @ root.T, values=V, scores=B)
    centred = x - x.mean(axis=1, keepdims=True)
    covariance = np.einsum("snk,snl->skl", centred, centred) / n
    off = ((covariance - expected.covariance[0]) ** 2).sum(axis=(1, 2)) + (
        (x.mean(axis=1) - expected.mean[0]) ** 2
    ).sum(axis=1)
    return np.sqrt(off.mean())


def test_particles_tend_to_the_closure_as_their_number_grows():
    """A law of large numbers: 16 times the tokens are 4 times nearer, within the spread of two dozen seeds."""
    far, near = distance(32, 64), distance(512, 24)
    assert near < 0.06
    assert far / near == pytest.approx(4, rel=0.35)


def test_what_blows_up_or_is_no_covariance_is_named():
    with pytest.raises(InvalidInput, match=r"blows up between time 0\.4 and 0\.6"):
        lmdata.gaussian_closure([0.0, 0.4, 0.6], [0.0], [[1.0]])
    for arguments, words in [
        (([1.0, 0.0], [0.0], [[1.0]]), "ascending"),
        (([0.0], [0.0], [[-1.0]]), "eigenvalue -1"),
        (([0.0], [0.0, 0.0], [[1.0, 0.2], [0.1, 1.0]]), "symmetric"),
        (([0.0], [0.0, 0.0], [[1.0]]), "shape"),
    ]:
        with pytest.raises(InvalidInput, match=words):
            lmdata.gaussian_closure(*arguments)
    with pytest.raises(InvalidInput, match="values has shape"):
        lmdata.gaussian_closure([0.0], [0.0], [[1.0]], values=np.eye(2))
